// One shuffle's outputs, one place a map partition, and what is remembered of outputs that are gone: what readers may have
// taken of them, and where they lay when their worker was lost.

import type { ShuffleId, WorkerId } from "../../core/ids.js";
import type { MapOutput, MapOutputLocation } from "../../protocol/tasks.js";
import type { OfferedOutput } from "../../protocol/worker.js";

export interface LocatedOutput {
  readonly location: MapOutputLocation;
  readonly output: MapOutput;
  /** By the session's count of changes. */
  readonly sinceChange: number;
}

export interface ShuffleState {
  readonly shuffle: ShuffleId;
  outputs: (LocatedOutput | null)[];
  missing: number;
  /** Grows with every change, so that readers can be told to wait for what they need. */
  version: number;
  /** Map partitions by worker, so that a lost worker costs only what it held. */
  readonly byWorker: Map<WorkerId, Set<number>>;
  /** The session's count of changes when locations were last given to a reader. */
  readAtChange: number;
  /** Of outputs that are gone and that somebody may have read: what the recomputed one is held against. */
  readonly read: Map<number, MapOutput>;
  /** What went with its worker and has not been computed again: the worker may come back with it. */
  readonly lostWithWorker: Map<number, LocatedOutput>;
}

export interface HeldOutput extends LocatedOutput {
  readonly shuffle: ShuffleId;
  readonly map: number;
}

export interface LostOutputs {
  readonly shuffle: ShuffleId;
  readonly maps: readonly number[];
}

/** What came of a worker's return. */
export interface ReturnedOutputs {
  readonly found: readonly LostOutputs[];
  readonly lost: readonly LostOutputs[];
  readonly refused: readonly OfferedOutput[];
}
