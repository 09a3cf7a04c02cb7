// A partition of an exchange that is far larger than the others, or a key with a large part of its records: as it is shown in the
// progress bar, by `millrace status`, in the event log and in a job's summary.

import { formatBytes } from "../core/sizes.js";

/** A partition far larger than the others, or a key that stands out: `formatSkew` says it in words. docs/skew.md says when. */
export interface SkewFinding {
  /** The stage that reads the exchange. */
  readonly stage: number;
  /** The operation that exchanges records: "join at x.ts:3:9". */
  readonly name: string;
  /** The partition, from 0. */
  readonly partition: number;
  /** Estimated from the records: what is stored may be less. */
  readonly bytes: number;
  /** Of the exchange's partitions. */
  readonly medianBytes: number;
  /** The partition's most frequent key, cut short; null when none stands out. */
  readonly key: string | null;
  /** Estimated part of all records of the exchange that have this key, from 0 to 1. */
  readonly share: number;
  /** Tasks that work on the partition: more than one where a join reads it in parts. */
  readonly tasks: number;
}

/** `key "a" has 52 % of the records of join at x.ts:3:9 (partition 5: 1.2 GB, median 20 MB, read by 4 tasks)`. */
export function formatSkew({ name, partition, bytes, medianBytes, key, share, tasks }: SkewFinding): string {
  const parts = tasks > 1 ? `, read by ${tasks} tasks` : "";
  const sizes = `partition ${partition}: ${formatBytes(bytes)}, median ${formatBytes(medianBytes)}${parts}`;
  return key === null
    ? `one partition of ${name} is far larger than the others (${sizes})`
    : `key ${key} has ${Math.round(share * 100)} % of the records of ${name} (${sizes})`;
}
