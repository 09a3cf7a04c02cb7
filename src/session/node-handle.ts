// One RDD as the driver holds it. Handles are what keeps lineage alive: an RDD, a child's handle or a running job has them.

import type { CallSite } from "../plan/function.js";
import type { LineageNode, StorageLevel } from "../plan/lineage.js";

export interface NodeHandle {
  /** Another one of the same id once the lineage below is cut, and then without parents. */
  node: LineageNode;
  /** What its node refers to; parents first. */
  parents: readonly NodeHandle[];
  storage: StorageLevel;
  name: string | null;
  checkpoint: Checkpoint | null;
  /** Of a source: how its records are placed; known of RDDs whose lineage was cut. */
  placement: Placement | null;
}

/** Of an RDD that is or is to be checkpointed (checkpoints.ts). */
export interface Checkpoint {
  /** Directory of its files; null: its cached blocks are all there is. */
  url: string | null;
  /** Jobs that have tried to write it: each has a directory of its own, because removing one takes a while. */
  tries: number;
  readonly callSite: CallSite;
  readonly callerStack: () => string;
  done: boolean;
  writing: CheckpointWriting | null;
}

export interface CheckpointWriting {
  readonly ended: Promise<void>;
  readonly abort: AbortController;
  /** Actions that wait. */
  waiting: number;
}

/** What the driver knows of where records lie. */
export interface Placement {
  readonly kind: "hash" | "range" | "custom";
  /** null: as many as an RDD has whose files the master looks at. */
  readonly partitions: number | null;
}
