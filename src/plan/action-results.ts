// What the result of one partition looks like, by action: the contract between operators, which make it, and the driver,
// which folds it. "stream" is a record stream of the codec (codec/stream.ts); an empty partition gives an empty stream.

import type { ActionSpec } from "./lineage.js";
import type { FragmentOutput } from "./stages.js";

export type ResultForm =
  /** A stream of the records themselves, in order. */
  | "records"
  /** One encoded number (codec encodeValue). */
  | "number"
  /** A stream of no record or one: the fold of the partition. */
  | "optional"
  /** A stream of exactly one record. */
  | "one"
  /** A stream of [key, number] pairs. */
  | "pairs"
  /** No bytes. */
  | "none"
  /** A part file: the result has its names and size. */
  | "file";

export const actionResultForms = {
  collect: "records",
  count: "number",
  reduce: "optional",
  aggregate: "one",
  /** At most n records, best first. */
  top: "records",
  countByKey: "pairs",
  foreach: "none",
  foreachPartition: "none",
  saveAsTextFile: "file",
  saveAsObjectFile: "file",
} as const satisfies Record<ActionSpec["kind"], ResultForm>;

/**
 * Value stages: sampleKeys gives a stream of the partition's number of records, then the keys drawn from it; rangeBounds a
 * stream of rising keys, at most partitions - 1 of them (partition i holds the keys above bound i - 1 and up to bound i).
 */
export const valueResultForms = {
  sampleKeys: "records",
  rangeBounds: "records",
} as const satisfies Partial<Record<FragmentOutput["kind"], ResultForm>>;
