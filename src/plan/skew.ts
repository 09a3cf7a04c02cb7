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
  /** null: the join of this partition is made in one. */
  readonly parts: JoinParts | null;
}

/**
 * A join of one partition made in parts, one after the other: part i reads of `shuffle` only the map outputs
 * [cuts[i], cuts[i + 1]), and all of the other side.
 */
export interface JoinParts {
  readonly shuffle: ShuffleId;
  readonly cuts: readonly number[];
}

/** Two shuffles of one stage whose records are paired by key, so that either may be read in parts. */
export interface JoinInputs {
  readonly left: ShuffleId;
  readonly right: ShuffleId;
  /** The parts of a partition may be tasks of their own; else one task makes them all, in the same order. */
  readonly divisible: boolean;
}
