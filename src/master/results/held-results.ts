// Results that workers hold: opened for drivers, fetched whole where the master itself wants the value of a stage. Held against
// the size that their tasks announced; those of a worker that is given up end at once, whatever deadline they wait for.

import { MillraceError } from "../../core/errors.js";
import { formatTaskKey, type TaskKey, type WorkerId } from "../../core/ids.js";
import { StreamGroups } from "../../core/stream-groups.js";
import type { BlockRequest } from "../../protocol/blocks.js";
import type { WorkerRegistration } from "../../protocol/worker.js";
import { exactBytes } from "./exact-bytes.js";

/** Opens bytes that a worker serves. */
export type OpenBlock = (
  worker: WorkerRegistration,
  request: BlockRequest,
  signal: AbortSignal,
) => AsyncIterable<Uint8Array>;

export interface HeldResultsParts {
  readonly openBlock: OpenBlock;
  /** A worker that is connected. */
  worker(id: WorkerId): WorkerRegistration | undefined;
}

/** How long a value that is a block may take to come. */
const VALUE_TIMEOUT_MS = 60_000;

export class HeldResults {
  readonly #parts: HeldResultsParts;
  /** What is read of workers. */
  readonly #streams = new StreamGroups<WorkerId>();

  constructor(parts: HeldResultsParts) {
    this.#parts = parts;
  }

  /** @throws WORKER_LOST, FETCH_FAILED where it has another size */
  open(worker: WorkerId, key: TaskKey, bytes: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const registration = this.#parts.worker(worker);
    if (registration === undefined)
      throw new MillraceError("WORKER_LOST", `worker ${worker}, which holds a result, is gone`, { fields: { worker } });
    const open = (live: AbortSignal) => this.#parts.openBlock(registration, { kind: "result", key }, live);
    const what = `the result ${formatTaskKey(key)} of worker ${worker}`;
    return exactBytes(this.#streams.follow(worker, open, signal), bytes, what);
  }

  /** All of it, within a minute. @throws as `open` does, and what the worker throws */
  async fetch(worker: WorkerId, key: TaskKey, bytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of this.open(worker, key, bytes, AbortSignal.timeout(VALUE_TIMEOUT_MS)))
      parts.push(Uint8Array.from(part));
    return Buffer.concat(parts);
  }

  /** The worker is given up: whoever reads from it has WORKER_LOST thrown. */
  workerLost(worker: WorkerId, reason: string): void {
    const text = `worker ${worker}, which holds a result, is lost: ${reason}`;
    this.#streams.end(worker, new MillraceError("WORKER_LOST", text, { fields: { worker } }));
  }
}
