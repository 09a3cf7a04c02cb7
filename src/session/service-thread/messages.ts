// What the user's thread and the session's service thread say to each other. Driver and master messages travel encoded, the
// same bytes as on the wire, in batches (core/message-batch.ts); the rest is about the thread itself.

import type { MessagePort } from "node:worker_threads";
import type { WireError } from "../../core/errors.js";

/** workerData of the service thread. */
export interface ServiceData {
  /** The master URL as the user gave it; parsed again here. */
  readonly master: string;
  /** Compiled options (core/options), plain values. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** file: URLs of the built entries. */
  readonly entries: { readonly slot: string; readonly worker: string };
  /** The directory that packages are resolved from for modules that functions refer to. */
  readonly moduleRoot: string;
}

export type ToService =
  /** To a thread that was started without data, before everything else. */
  | {
      readonly kind: "start";
      readonly data: ServiceData;
      readonly env: Readonly<Record<string, string | undefined>>;
    }
  | { readonly kind: "driver"; readonly batch: Uint8Array }
  /** The outcome of a `slotCall`: tasks on the calling thread (`local`). */
  | { readonly kind: "slotOutcome"; readonly id: number; readonly outcome: unknown; readonly error: string | null }
  /** The process is about to end: sets `done` to 1 when event logs are whole. */
  | { readonly kind: "leaving"; readonly done: Int32Array }
  | { readonly kind: "shutdown" };

export type FromService =
  /** The thread is up; what it says must be removed if the process ends without a stop. */
  | { readonly kind: "ready"; readonly directories: readonly string[]; readonly pids: readonly number[] }
  | { readonly kind: "driver"; readonly batch: Uint8Array }
  | { readonly kind: "slotCall"; readonly id: number; readonly call: unknown; readonly port: MessagePort | null }
  | { readonly kind: "failed"; readonly error: WireError }
  /** Everything is released; the thread ends by itself. */
  | { readonly kind: "ended" };
