// The control conversation of one worker and the master: one bidirectional stream, messages in order, each with a sequence
// number of its sender so that doubled or late ones are recognised.

import type { WireError } from "../core/errors.js";
import type { BlobHash, NodeId, SessionId, ShuffleId, TaskKey, WorkerId } from "../core/ids.js";
import type { MapOutputLocations, TaskLaunch, TaskStatus, WorkerAddress } from "./tasks.js";

export type WorkerRole = "core" | "task";

export interface WorkerRegistration {
  readonly worker: WorkerId;
  /** Grows with every start of the same worker id: the master drops what an earlier incarnation says. */
  readonly incarnation: number;
  readonly version: string;
  readonly role: WorkerRole;
  readonly node: string;
  readonly slots: number;
  readonly memoryBytes: number;
  readonly pid: number;
  readonly address: WorkerAddress;
}

export interface TaskLogLine {
  readonly key: TaskKey;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
  /** Lines that the slot left out because they came too fast; then `text` is "". Default 0. */
  readonly dropped?: number;
}

export type WorkerToMaster =
  | { readonly kind: "register"; readonly registration: WorkerRegistration }
  | {
      readonly kind: "heartbeat";
      readonly rssBytes: number;
      readonly cacheBytes: number;
      readonly running: readonly TaskKey[];
      /** Records that each of `running` has read so far; 0 for one that waits for a slot. */
      readonly records: readonly number[];
    }
  | { readonly kind: "statuses"; readonly statuses: readonly TaskStatus[] }
  | { readonly kind: "logs"; readonly lines: readonly TaskLogLine[] }
  | {
      readonly kind: "uncached";
      readonly session: SessionId;
      readonly partitions: readonly { readonly node: NodeId; readonly partition: number }[];
    }
  /** Leaves on purpose (SIGTERM): its attempts are rescheduled and nothing is charged. */
  | { readonly kind: "leaving"; readonly reason: string };

export type MasterToWorker =
  | {
      readonly kind: "registered";
      readonly heartbeatMs: number;
      /** A connection that is silent for so long is dead, at either end. */
      readonly timeoutMs: number;
      readonly liveSessions: readonly SessionId[];
    }
  /** Answers each heartbeat, so that the worker hears of the master as often as the master of it. */
  | { readonly kind: "heartbeat" }
  | { readonly kind: "refused"; readonly error: WireError }
  | { readonly kind: "mapOutputs"; readonly locations: MapOutputLocations }
  | { readonly kind: "launch"; readonly launches: readonly TaskLaunch[] }
  | {
      readonly kind: "cancel";
      readonly keys: readonly TaskKey[];
      readonly reason: string;
      /** What runs already goes on: only what waits for a slot is given back. */
      readonly onlyWaiting?: true;
    }
  /** Results acknowledged by the driver: their files may go. */
  | { readonly kind: "releaseResults"; readonly keys: readonly TaskKey[] }
  | { readonly kind: "releaseShuffle"; readonly session: SessionId; readonly shuffle: ShuffleId }
  | { readonly kind: "uncache"; readonly session: SessionId; readonly node: NodeId }
  | { readonly kind: "releaseSession"; readonly session: SessionId }
  | { readonly kind: "releaseBlobs"; readonly hashes: readonly BlobHash[] }
  | { readonly kind: "shutdown"; readonly reason: string };
