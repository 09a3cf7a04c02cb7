// One shuffle's outputs, one place a map partition.

import type { ShuffleId, WorkerId } from "../../core/ids.js";
import type { MapOutput, MapOutputLocation } from "../../protocol/tasks.js";

export interface LocatedOutput {
  readonly location: MapOutputLocation;
  readonly output: MapOutput;
}

export interface ShuffleState {
  readonly shuffle: ShuffleId;
  outputs: (LocatedOutput | null)[];
  missing: number;
  /** Grows with every change, so that readers can be told to wait for what they need. */
  version: number;
  /** Map partitions by worker, so that a lost worker costs only what it held. */
  readonly byWorker: Map<WorkerId, Set<number>>;
}

export interface HeldOutput extends LocatedOutput {
  readonly shuffle: ShuffleId;
  readonly map: number;
}

export interface LostOutputs {
  readonly shuffle: ShuffleId;
  readonly maps: readonly number[];
}
