// What is said of skewed exchanges: keys that hold a large part of a map task's records, and tasks that read only a part of the
// map outputs of a reduce partition. Plain data; where keys are found is operators/outputs/hot-keys.ts, what is cut
// master/job-scheduler/skew.ts.

import type { ShuffleId } from "../core/ids.js";

/** A key that holds a large part of the records of one map output, estimated from a sample. */
export interface HotKey {
  /** Printed for people, cut short. */
  readonly key: string;
  /** The reduce partition it goes to. */
  readonly partition: number;
  readonly records: number;
}

/** The part of a stage's data that one task works on, where a task is not simply one partition. */
export interface TaskSlice {
  /** The partition of the data; several tasks in a row may have the same. */
  readonly partition: number;
  /** Of this shuffle only the map outputs [from, to) are read; null: all of all. */
  readonly maps: { readonly shuffle: ShuffleId; readonly from: number; readonly to: number } | null;
}

/** Two shuffles of one stage whose records are paired by key, so that either may be read in parts, each part with all of the other. */
export interface JoinInputs {
  readonly left: ShuffleId;
  readonly right: ShuffleId;
}
