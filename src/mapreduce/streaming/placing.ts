// Where a mapper's pairs go and in which order a reducer meets them: Hadoop's partitioners and comparator as one exchange.

import { MillraceError } from "../../core/errors.js";
import type { RDD } from "../../rdd/rdd.js";
import { type KeyField, parseKeyFields, sortKeyOf } from "./key-fields.js";
import { itself, type Pair } from "./pairs.js";
import { reducerOf, type StreamingPartitioner } from "./partitioning.js";
import { type Settings, wrong } from "./settings.js";

export interface Placing {
  readonly partitioner: StreamingPartitioner;
  /** What keys are ordered by; null: their bytes. */
  readonly fields: readonly KeyField[] | null;
  readonly separator: string;
}

/** `partitioner`: as it was named. Throws INVALID_ARGUMENT. */
export function placingOf(partitioner: string | undefined, settings: Settings): Placing {
  const separator = settings.separator("mapreduce.map.output.key.field.separator");
  const named = partitioner?.split(".").at(-1) ?? settings.className("mapreduce.job.partitioner.class");
  if (named !== undefined && named !== "HashPartitioner" && named !== "KeyFieldBasedPartitioner")
    throw new MillraceError(
      "INVALID_ARGUMENT",
      `streaming: the partitioner ${named} is not known; HashPartitioner and KeyFieldBasedPartitioner are`,
      { fields: { partitioner: named } },
    );
  const count = settings.whole("mapreduce.partition.keypartitioner.fields", 1);
  const setting = "mapreduce.partition.keypartitioner.options";
  const options = count === undefined ? (settings.text(setting) ?? "") : `-k1,${count}`;
  const comparator = "mapreduce.job.output.key.comparator.class";
  const compares = settings.className(comparator);
  if (compares !== undefined && compares !== "KeyFieldBasedComparator")
    throw wrong(comparator, settings.text(comparator) as string, "KeyFieldBasedComparator is the one that is known");
  const order = "mapreduce.partition.keycomparator.options";
  const fields = compares === undefined ? [] : parseKeyFields(settings.text(order) ?? "", order);
  return {
    partitioner:
      named === "KeyFieldBasedPartitioner"
        ? { kind: "keyFields", fields: parseKeyFields(options, setting), separator }
        : { kind: "hash" },
    fields: fields.length === 0 ? null : fields,
    separator,
  };
}

/** Pairs by reducer, in the order of their keys; with a comparator as [[reducer, ...sort key], pair]. */
export function exchanged(pairs: RDD<readonly Pair[]>, placing: Placing, partitions: number): RDD<unknown> {
  const { partitioner, fields, separator } = placing;
  if (fields === null) {
    return pairs
      .flatMap<string, string>(itself)
      .repartitionAndSortWithinPartitions({ partitions, by: (key, n) => reducerOf(key, partitioner, n) });
  }
  const placed = (batch: readonly Pair[]) =>
    batch.map((pair) => {
      const place = [reducerOf(pair[0], partitioner, partitions), ...sortKeyOf(pair[0], fields, separator)];
      return [place, pair] as const;
    });
  return pairs
    .flatMap<readonly (number | string | null)[], Pair>(placed)
    .repartitionAndSortWithinPartitions({ partitions, by: (place) => place[0] as number });
}
