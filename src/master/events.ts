// What the master's machine is told and what it asks for. The shell turns commands into messages, files and pulls, and tells
// every outcome as an event; it ticks the machine every TICK_MS. Sends to a worker whose stream is gone are dropped.

import type { WireError } from "../core/errors.js";
import type { BlobHash, JobId, NodeId, SessionId, ShuffleId, TaskKey, WorkerId } from "../core/ids.js";
import type { PoolDefinitions } from "../core/scheduler-pools.js";
import type { AdoptionOutcome } from "../protocol/adoption.js";
import type { TaskStatus } from "../protocol/tasks.js";
import type { MasterToWorker, OfferedOutput, WorkerRegistration } from "../protocol/worker.js";
import type { DecommissionCommand } from "./decommission/index.js";
import type { JobCommand, SessionPolicy, SessionScheduling, Submission } from "./job-scheduler/index.js";
import type { WorkerMemory } from "./worker-registry/state.js";

/** How often the shell sends `tick`. */
export const TICK_MS = 250;

/** Values of a stage that are larger together travel as a blob, which the shell makes of them once. */
export const VALUE_INLINE_BYTES = 64 * 1024;

export function valueBytes(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  return bytes;
}

interface FromWorker {
  readonly worker: WorkerId;
  readonly incarnation: number;
}

export type MasterEvent =
  | {
      readonly kind: "sessionOpened";
      readonly session: SessionId;
      /** The session's own options; by default the master's. */
      readonly policy?: SessionPolicy & SessionScheduling;
    }
  /** Pools are added, or get other values. */
  | { readonly kind: "poolsDefined"; readonly session: SessionId; readonly pools: PoolDefinitions }
  /** By the driver, or because it vanished: running jobs end with `error`. */
  | { readonly kind: "sessionClosed"; readonly session: SessionId; readonly error: WireError }
  | ({ readonly kind: "submitted" } & Submission)
  | { readonly kind: "jobCancelled"; readonly session: SessionId; readonly job: JobId; readonly reason: string }
  /** The shell cannot bring the job to its end, or an administrator killed it: it fails with `error`. */
  | { readonly kind: "jobBroken"; readonly session: SessionId; readonly job: JobId; readonly error: WireError }
  | { readonly kind: "workerRegistered"; readonly registration: WorkerRegistration }
  | ({
      readonly kind: "heartbeat";
      readonly running: readonly TaskKey[];
      /** Records that each has read; by default none. */
      readonly records?: readonly number[];
      /** Its local directory is nearly full. Default false. */
      readonly diskShort?: boolean;
      /** By default nothing is known. */
      readonly memory?: WorkerMemory;
    } & FromWorker)
  | ({ readonly kind: "statuses"; readonly statuses: readonly TaskStatus[] } & FromWorker)
  | ({
      readonly kind: "uncached";
      readonly session: SessionId;
      readonly partitions: readonly { readonly node: NodeId; readonly partition: number }[];
    } & FromWorker)
  | ({ readonly kind: "offered"; readonly outputs: readonly OfferedOutput[] } & FromWorker)
  | ({ readonly kind: "workerLeaving"; readonly reason: string } & FromWorker)
  /** The worker asks to be decommissioned. */
  | ({ readonly kind: "workerDecommissions"; readonly reason: string; readonly timeoutMs: number } & FromWorker)
  /** Somebody else asks for it; null: the master's own time. */
  | {
      readonly kind: "decommissionAsked";
      readonly worker: WorkerId;
      readonly reason: string;
      readonly timeoutMs: number | null;
    }
  | ({
      readonly kind: "adopted";
      readonly from: WorkerId;
      readonly outcomes: readonly AdoptionOutcome[];
    } & FromWorker)
  /** Its stream broke: it has a while to come back. */
  | ({ readonly kind: "workerDisconnected" } & FromWorker)
  /** It is known to be gone: its process ended. */
  | ({
      readonly kind: "workerLost";
      readonly reason: string;
      /** Its process was aborted for want of memory: what it ran is charged with OUT_OF_MEMORY. Default false. */
      readonly outOfMemory?: boolean;
    } & FromWorker)
  | { readonly kind: "resultDelivered"; readonly session: SessionId; readonly job: JobId; readonly partition: number }
  /** The shell holds the job's later results back until the partition is delivered again. */
  | { readonly kind: "resultLost"; readonly session: SessionId; readonly job: JobId; readonly partition: number }
  | { readonly kind: "valueFetched"; readonly key: TaskKey; readonly bytes: Uint8Array | null }
  | {
      readonly kind: "outputCommitted";
      readonly session: SessionId;
      readonly job: JobId;
      readonly error: WireError | null;
    }
  /** No node that reads them is left (ShuffleTable.release). */
  | { readonly kind: "shufflesReleased"; readonly session: SessionId; readonly shuffles: readonly ShuffleId[] }
  | { readonly kind: "unpersisted"; readonly session: SessionId; readonly node: NodeId }
  | { readonly kind: "blobsReleased"; readonly hashes: readonly BlobHash[] }
  | { readonly kind: "tick" };

export type MasterCommand =
  | { readonly kind: "send"; readonly worker: WorkerId; readonly message: MasterToWorker }
  /** Close its connection: it is not counted on any more. */
  | { readonly kind: "dropWorker"; readonly worker: WorkerId; readonly reason: string }
  | DecommissionCommand
  | Exclude<
      JobCommand,
      { readonly kind: "cancelAttempt" | "releaseResult" | "discardOutput" | "releaseShuffle" | "uncache" }
    >;
