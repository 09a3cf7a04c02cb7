// Hadoop's map/reduce on RDDs: read, map, combine, partition, sort, group, reduce, write, with counters, side files and named
// outputs. One shuffle, sorted as it is moved, so that a secondary sort costs nothing more and nothing is held whole.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { MillraceError } from "../core/errors.js";
import { RDD } from "../rdd/rdd.js";
import type { RddSession } from "../rdd/session.js";
import { invalidArgument, requirePartitions, requireSyncFunction, requireText } from "../session/arguments.js";
import { addCounted, type Counters, mergeCounters, type Shared, type TaskContext, type Written } from "./contexts.js";
import { mapPhase, type Placement, type ReducePhase, type Routed, reducePhase } from "./phases.js";

/** A map/reduce job: `session.mapReduce` has an example. Only `input` and `map` are needed. */
export interface MapReduceSpec<T, K1, V1, K2, V2> {
  /** Paths of text files, whose lines are the records (as `session.textFile`), or an RDD. */
  readonly input: string | readonly string[] | RDD<T>;
  /** Called with each record; writes pairs by `context.write`. Synchronous, as all functions here. */
  readonly map: (record: T, context: TaskContext<K1, V1>) => void;
  /** Called in map tasks with the pairs of a key so far, any number of times; writes pairs of the same types. */
  readonly combine?: (key: K1, values: Iterable<V1>, context: TaskContext<K1, V1>) => void;
  /** The reducer of a key, from 0 to reducers - 1. Default: by the hash of its group. */
  readonly partition?: (key: K1, reducers: number) => number;
  /** What pairs are ordered by within a reducer. Default: the key itself. */
  readonly sort?: (key: K1) => unknown;
  /** Keys that are equal in this go to one call of reduce. Default: the key itself. */
  readonly group?: (key: K1) => unknown;
  /**
   * Called once a group with its first key and its values in order, read once. Writes by `context.write`, or is a generator
   * function that yields pairs. Left out: pairs go on as they are.
   */
  readonly reduce?: (
    key: K1,
    values: Iterable<V1>,
    context: TaskContext<K2, V2>,
    // biome-ignore lint/suspicious/noConfusingVoidType: a function that only writes returns nothing.
  ) => Iterable<readonly [K2, V2]> | void;
  /** Number of reducers. 0: what map writes is the output. Default: as many as there are map tasks. */
  readonly reducers?: number;
  /** Directory of part files, one a reducer: key, tab, value. Left out: the pairs come back in the result. */
  readonly output?: string;
  /** Names that `context.writeTo` may use: each is a directory below `output`. */
  readonly outputs?: readonly string[];
  /** Side files that every task may read by `context.file(name)`: name to path. */
  readonly files?: Readonly<Record<string, string>>;
}

/** What a map/reduce job gives when it has ended. */
export interface MapReduceResult<K, V> {
  /** All counters, those of "Map-Reduce Framework" among them: `counters["Map-Reduce Framework"]["Map input records"]`. */
  readonly counters: Counters;
  /** The pairs, reducer after reducer, where the job has no `output`. */
  readonly records: readonly (readonly [K, V])[] | null;
}

export async function runMapReduce<T, K1, V1, K2, V2>(
  session: RddSession,
  spec: MapReduceSpec<T, K1, V1, K2, V2>,
): Promise<MapReduceResult<K2, V2>> {
  const { output, outputs } = checked(spec);
  const input = spec.input instanceof RDD ? spec.input : session.textFile(spec.input as string);
  const shared: Shared = {
    counters: session.accumulator("map/reduce counters", {
      zero: {} as Counters,
      add: addCounted,
      merge: mergeCounters,
    }),
    files: session.broadcast(readFiles(spec.files ?? {})),
    outputs,
  };
  const reducers = spec.reducers ?? (await input.numPartitions());
  const placement: Placement | null =
    reducers === 0
      ? null
      : {
          reducers,
          partition: (spec.partition as Placement["partition"] | undefined) ?? null,
          sort: (spec.sort as Placement["sort"] | undefined) ?? null,
          group: (spec.group as Placement["group"] | undefined) ?? null,
        };
  const phase = mapPhase({ map: spec.map as never, combine: (spec.combine as never) ?? null, placement, shared });
  const routed = (input as RDD<unknown>).mapPartitionsWithIndex<Routed>(phase);
  const written = placement === null ? routed.map<Written>(unrouted) : reduced(routed, placement, spec, shared);
  const single = outputs.length === 0;
  // Each output is one job over the same pairs; they are kept so that functions run once.
  if (!single) written.persist("MEMORY_AND_DISK");
  try {
    const own = (single ? written : written.filter(isOwn)).map<readonly [K2, V2]>(pairOf as never);
    let records: readonly (readonly [K2, V2])[] | null = null;
    if (output === null) records = await own.collect();
    else await own.saveAsTextFile(output);
    for (const name of outputs) await written.filter(goesTo(name)).map(pairOf).saveAsTextFile(`${output}/${name}`);
    return { counters: shared.counters.value, records };
  } finally {
    if (!single) written.unpersist();
    shared.files.destroy();
  }
}

function reduced<T, K1, V1, K2, V2>(
  routed: RDD<Routed>,
  placement: Placement,
  spec: MapReduceSpec<T, K1, V1, K2, V2>,
  shared: Shared,
): RDD<Written> {
  const sorted = routed.repartitionAndSortWithinPartitions({ partitions: placement.reducers, by: firstOf });
  const reduce = (spec.reduce as ReducePhase["reduce"] | undefined) ?? null;
  if (reduce === null) return sorted.map<Written>(unrouted);
  return sorted.mapPartitionsWithIndex<Written>(reducePhase({ reduce, group: placement.group, shared }));
}

function checked<T, K1, V1, K2, V2>(
  spec: MapReduceSpec<T, K1, V1, K2, V2>,
): {
  output: string | null;
  outputs: readonly string[];
} {
  const method = "mapReduce";
  if (typeof spec !== "object" || spec === null) throw invalidArgument(method, "job", "an object", spec);
  const { output, outputs = [], reducers } = spec;
  requireSyncFunction(method, "map", spec.map);
  for (const name of ["combine", "partition", "sort", "group", "reduce"] as const)
    if (spec[name] !== undefined) requireSyncFunction(method, name, spec[name]);
  if (reducers !== undefined && reducers !== 0) requirePartitions(method, "reducers", reducers);
  if (reducers === 0 && spec.reduce !== undefined)
    throw invalidArgument(method, "reducers", "at least 1 where there is a reduce function", reducers);
  if (!Array.isArray(outputs) || outputs.some((name) => !/^[A-Za-z0-9-]+$/.test(String(name))))
    throw invalidArgument(method, "outputs", "names of letters, digits and hyphens", outputs);
  if (outputs.length > 0 && output === undefined)
    throw invalidArgument(method, "output", "a directory where there are named outputs", output);
  return { output: output === undefined ? null : requireText(method, "output", output), outputs };
}

function readFiles(files: Readonly<Record<string, string>>): Record<string, Uint8Array> {
  const read: Record<string, Uint8Array> = {};
  for (const [name, path] of Object.entries(files)) {
    try {
      read[name] = Uint8Array.from(readFileSync(resolve(path)));
    } catch (error) {
      throw new MillraceError(
        "PATH_NOT_FOUND",
        `mapReduce: the side file ${name} cannot be read: ${(error as Error).message}`,
        {
          fields: { file: name, path },
          cause: error,
        },
      );
    }
  }
  return read;
}

const firstOf = ([reducer]: Routed[0]): number => reducer;
const unrouted = ([[, aside, at], [key, value]]: Routed): Written => [aside === 1 ? String(at) : "", key, value];
const isOwn = ([output]: Written): boolean => output === "";
const pairOf = ([, key, value]: Written): readonly [unknown, unknown] => [key, value];

function goesTo(name: string) {
  return ([output]: Written): boolean => output === name;
}
