// What the worker's machine is told (RunnerEvent) and what it asks for (RunnerCommand).

import type { WireError } from "../../core/errors.js";
import type { BlobHash, SessionId, ShuffleId, TaskKey } from "../../core/ids.js";
import type { MapOutputLocations, TaskLaunch, TaskOutcome, TaskStatus } from "../../protocol/tasks.js";
import type { PressureLevel } from "../../protocol/worker.js";

export type RunnerEvent =
  /** The stream to the master is up (again): what may have been lost is told again. */
  | { readonly kind: "registered"; readonly liveSessions: readonly SessionId[] }
  | { readonly kind: "connectionLost" }
  | { readonly kind: "launches"; readonly launches: readonly TaskLaunch[] }
  | {
      readonly kind: "cancel";
      readonly keys: readonly TaskKey[];
      readonly reason: string;
      /** What runs already goes on. */
      readonly onlyWaiting?: true;
    }
  | { readonly kind: "mapOutputs"; readonly locations: MapOutputLocations }
  | { readonly kind: "blobArrived"; readonly hash: BlobHash }
  | { readonly kind: "blobFailed"; readonly hash: BlobHash; readonly error: WireError }
  | { readonly kind: "blobsReleased"; readonly hashes: readonly BlobHash[] }
  /** Their files are gone. */
  | { readonly kind: "resultsReleased"; readonly keys: readonly TaskKey[] }
  | { readonly kind: "shuffleReleased"; readonly session: SessionId; readonly shuffle: ShuffleId }
  | { readonly kind: "sessionReleased"; readonly session: SessionId }
  /** Answers takeBack: of the run in the slot so many tasks have begun, ended ones too, and no more will. */
  | { readonly kind: "tookBack"; readonly slot: number; readonly begun: number }
  /** A fresh thread can take a run. */
  | { readonly kind: "slotReady"; readonly slot: number }
  | { readonly kind: "slotEnded"; readonly slot: number; readonly key: TaskKey; readonly outcome: TaskOutcome }
  /** Its thread is gone, by itself (`error` says how) or because it was killed; the shell starts no new one by itself. */
  | { readonly kind: "slotDied"; readonly slot: number; readonly error: WireError }
  /** What has not started goes back to the master, and so does whatever still comes. */
  | { readonly kind: "handBack" }
  /** RSS has passed a rung of the ladder, up or down. */
  | { readonly kind: "pressure"; readonly level: PressureLevel }
  | { readonly kind: "shutdown"; readonly reason: string }
  | { readonly kind: "tick" };

export type RunnerCommand =
  /** Make a fresh thread, ending the one that is there: answered by slotReady. */
  | { readonly kind: "startSlot"; readonly slot: number }
  | {
      readonly kind: "run";
      readonly slot: number;
      readonly launch: TaskLaunch;
      /** Run after it, one after the other, while each ends well: a slotEnded each. */
      readonly rest: readonly TaskLaunch[];
      readonly locations: readonly MapOutputLocations[];
    }
  | { readonly kind: "cancelWord"; readonly slot: number; readonly key: TaskKey }
  /** Nothing of the run in the slot that has not begun shall: answered by tookBack before anything else. */
  | { readonly kind: "takeBack"; readonly slot: number }
  /** Terminate the thread: answered by slotDied. */
  | { readonly kind: "killSlot"; readonly slot: number }
  | { readonly kind: "report"; readonly statuses: readonly TaskStatus[] }
  /** Attempts held now, queued ones too: the next heartbeat, at once. */
  | { readonly kind: "heartbeat"; readonly running: readonly TaskKey[] }
  | { readonly kind: "fetchBlob"; readonly hash: BlobHash }
  /** Files, cached partitions and blobs of the session may go. */
  | { readonly kind: "dropSession"; readonly session: SessionId }
  | { readonly kind: "slotWrittenOff"; readonly slot: number }
  /** Everything that ran is reported: the process may end (or start anew after a written-off slot). */
  | { readonly kind: "drained" };
