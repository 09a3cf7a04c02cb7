// How session.textFile reads lines: how many partitions, and what becomes of bytes.

import type { LineForm } from "../plan/lineage.js";
import { invalidArgument, optionalPartitions, requireCount } from "../session/arguments.js";

/** How `session.textFile` reads lines. */
export interface TextReadOptions {
  /** At least so many, where the files can be split. Default: by size, a partition for each 32nd of all bytes, of 1 to 64 MiB. */
  readonly minPartitions?: number | undefined;
  /**
   * "latin1" takes any bytes: each becomes the character of its number, so that nothing is lost and lines are ordered by byte.
   * Default "utf-8": INVALID_TEXT for what is none.
   */
  readonly encoding?: "utf-8" | "latin1" | undefined;
  /** true: lines keep their \n or \r\n. Default false. */
  readonly keepEnds?: boolean | undefined;
  /** Exactly so many lines a partition, fewer in a file's last: Hadoop's NLineInputFormat. The master reads the files once to count. */
  readonly linesPerPartition?: number | undefined;
}

/** Checked, as the source node says it. */
export function textForm(
  method: string,
  options: number | TextReadOptions | undefined,
): LineForm & { readonly minPartitions: number | null; readonly linesPerPartition?: number } {
  const given = typeof options === "object" && options !== null ? options : { minPartitions: options };
  const { encoding = "utf-8", keepEnds = false, linesPerPartition } = given;
  if (encoding !== "utf-8" && encoding !== "latin1")
    throw invalidArgument(method, "options.encoding", '"utf-8" or "latin1"', encoding);
  if (typeof keepEnds !== "boolean") throw invalidArgument(method, "options.keepEnds", "true or false", keepEnds);
  if (linesPerPartition !== undefined) requireCount(method, "options.linesPerPartition", linesPerPartition, 1);
  return {
    minPartitions: optionalPartitions(method, "minPartitions", given.minPartitions),
    ...(encoding === "latin1" ? { encoding } : {}),
    ...(keepEnds ? { keepEnds } : {}),
    ...(linesPerPartition === undefined ? {} : { linesPerPartition }),
  };
}
