// A worker as the master sees it.
//
//   (register) -> registering -> active -> decommissioning -> leaving
//                     ^  \          |             |             |
//                     |   -> disconnected <--------+-------------
//                     (register again)   \-> lost (record removed)

import type { TaskKey, WorkerId } from "../../core/ids.js";
import type { TaskLaunch } from "../../protocol/tasks.js";
import type { OfferedOutput, PressureLevel, StoredBytes, WorkerRegistration } from "../../protocol/worker.js";

export type WorkerState =
  /** Registered; its first heartbeat will say which attempts it still has. Gets no launches before that. */
  | { readonly kind: "registering" }
  | { readonly kind: "active" }
  /** Goes once what it runs is done and what it holds lies elsewhere, or at its deadline (decommission/). No launches. */
  | { readonly kind: "decommissioning"; readonly sinceMs: number; readonly deadlineMs: number }
  /** Going on purpose: no launches, its outputs are still served. */
  | { readonly kind: "leaving" }
  | { readonly kind: "disconnected"; readonly sinceMs: number };

/** An attempt that a worker holds, queued or running; also one whose result nobody wants any more, until it ended. */
export interface Attempt {
  readonly key: TaskKey;
  readonly worker: WorkerId;
  readonly launchedMs: number;
  /** What it was told to read, and where: who leaves waits for those that may still come to him. */
  readonly shuffles: TaskLaunch["shuffles"];
  readonly cached: TaskLaunch["cached"];
  running: boolean;
  /** Shared by the attempts that it was launched with, which take a slot together. */
  readonly unit: LaunchUnit;
  /** The worker was asked to give it back if it still waits for a slot. */
  calledBack: boolean;
}

/** The attempts of one launch. */
export interface LaunchUnit {
  /** Attempts that have not ended. */
  left: number;
  /** When the launch left, or an attempt of it ended last. */
  sinceMs: number;
}

/** As its last heartbeat said. */
export interface WorkerMemory {
  readonly rssBytes: number;
  readonly cacheBytes: number;
  readonly pressure: PressureLevel;
  readonly stored: readonly StoredBytes[];
}

export interface WorkerRecord {
  readonly id: WorkerId;
  registration: WorkerRegistration;
  state: WorkerState;
  lastHeardMs: number;
  /** Its disk has too little room: it gets no launches until it says otherwise. */
  diskShort: boolean;
  /** null before the first heartbeat. For those who look, nothing is decided by it. */
  memory: WorkerMemory | null;
  /** By formatTaskKey. */
  readonly attempts: Map<string, Attempt>;
  /** Launches of which it holds an attempt: each takes a slot, or waits for one. */
  units: number;
  /** Version of each shuffle's locations that it was sent over the present stream, by "session shuffle". */
  readonly sentLocations: Map<string, number>;
  /** What it has offered so far of an earlier incarnation's outputs; null once its first heartbeat has come. */
  offered: OfferedOutput[] | null;
}
