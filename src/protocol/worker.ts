// The control conversation of one worker and the master: one bidirectional stream, messages in order, each with a sequence
// number of its sender so that doubled or late ones are recognised.

import type { WireError } from "../core/errors.js";
import type { BlobHash, NodeId, SessionId, ShuffleId, StageId, TaskKey, WorkerId } from "../core/ids.js";
import type { AdoptableBlock, AdoptionOutcome } from "./adoption.js";
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

export interface DiskState {
  readonly freeBytes: number;
  /** It shall get no new tasks. */
  readonly isShort: boolean;
}

/** What a worker holds of one persisted node. */
export interface StoredBytes {
  readonly session: SessionId;
  readonly node: NodeId;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/** How near a worker's process is to its limit (worker/memory-pressure.ts). */
export const pressureLevels = ["calm", "warm", "high", "critical"] as const;
export type PressureLevel = (typeof pressureLevels)[number];

/** A committed map output that an earlier process of the same worker has left in its directory. */
export interface OfferedOutput {
  readonly session: SessionId;
  readonly shuffle: ShuffleId;
  readonly map: number;
  readonly stage: StageId;
  readonly attempt: number;
}

export type WorkerToMaster =
  | { readonly kind: "register"; readonly registration: WorkerRegistration }
  | {
      readonly kind: "heartbeat";
      readonly rssBytes: number;
      readonly cacheBytes: number;
      /** Default "calm". */
      readonly pressure?: PressureLevel;
      /** By default nothing. */
      readonly stored?: readonly StoredBytes[];
      readonly running: readonly TaskKey[];
      /** Of the local directory. Not there where the system does not tell. */
      readonly disk?: DiskState;
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
  /** Leaves at once, on purpose (SIGINT): its attempts are rescheduled and nothing is charged. */
  | { readonly kind: "leaving"; readonly reason: string }
  /** Wants to leave, with time for what it runs and holds (SIGTERM, SIGPWR); said again after a broken stream. */
  | { readonly kind: "decommission"; readonly reason: string; readonly timeoutMs: number }
  /** Of an `adopt`, as each block is there or refused. `from`: who held them. */
  | { readonly kind: "adopted"; readonly from: WorkerId; readonly outcomes: readonly AdoptionOutcome[] }
  /** Before its first heartbeat: what the master takes of it counts as if the worker had never gone. */
  | { readonly kind: "offer"; readonly outputs: readonly OfferedOutput[] };

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
  /** Map outputs that the master does not count on: of attempts that came too late, or were superseded. Their files may go. */
  | {
      readonly kind: "discard";
      readonly session: SessionId;
      readonly shuffle: ShuffleId;
      readonly outputs: readonly { readonly map: number; readonly stage: StageId; readonly attempt: number }[];
    }
  | { readonly kind: "uncache"; readonly session: SessionId; readonly node: NodeId }
  | { readonly kind: "releaseSession"; readonly session: SessionId }
  | { readonly kind: "releaseBlobs"; readonly hashes: readonly BlobHash[] }
  /** Another worker is lost: nothing more comes from its block server at `blocks`. */
  | { readonly kind: "workerLost"; readonly worker: WorkerId; readonly blocks: string; readonly reason: string }
  /** It shall leave within this time: it hands back what it has not started, takes no more, and says so to whoever is its master. */
  | { readonly kind: "decommission"; readonly reason: string; readonly timeoutMs: number }
  /** Pull these from a worker that leaves; answered by `adopted`. */
  | { readonly kind: "adopt"; readonly from: WorkerAddress; readonly blocks: readonly AdoptableBlock[] }
  /** It holds nothing that anybody needs, or its time is over: it removes its directory and ends. */
  | { readonly kind: "decommissioned"; readonly reason: string };
