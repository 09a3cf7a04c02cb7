// The records that a task gives to the driver, encoded. A result that is large, or that the task's memory has no room for, is
// put on disk frame by frame: a partition of a gigabyte is collected by a task that holds a few megabytes of it.

import { RecordStreamWriter } from "../../codec/stream.js";
import type { SpillFile } from "../../core/memory.js";
import { type CallSite, formatCallSite } from "../../plan/function.js";
import { Reservation } from "../reservation.js";
import type { FragmentResult, TaskContext } from "../task-context.js";

/** Held without asking. */
const FREE_BYTES = 256 * 1024;
/** More is not held, whatever room there is. */
const MAX_HELD_BYTES = 8 * 1024 * 1024;

export class ResultWriter {
  readonly #context: TaskContext;
  readonly #writer: RecordStreamWriter;
  readonly #reservation: Reservation;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #file: SpillFile | null = null;

  constructor(context: TaskContext, site: CallSite) {
    this.#context = context;
    this.#reservation = new Reservation(context.memory, `${formatCallSite(site)}: its result`);
    this.#writer = new RecordStreamWriter(context.classes, { onFrame: (frame) => this.#keep(frame) });
  }

  add(record: unknown): void {
    this.#writer.add(record);
  }

  addBatch(records: readonly unknown[]): void {
    this.#writer.addBatch(records);
  }

  finish(): FragmentResult {
    const head = this.#writer.head();
    const { records, encodedBytes } = this.#writer;
    this.#reservation.release();
    if (this.#file !== null) return { kind: "spilled", head, frames: this.#file, records };
    return { kind: "bytes", bytes: Buffer.concat([head, ...this.#held], head.byteLength + encodedBytes), records };
  }

  #keep(frame: Uint8Array): void {
    if (this.#file === null) {
      const bytes = this.#heldBytes + frame.byteLength;
      if (bytes <= FREE_BYTES || (bytes <= MAX_HELD_BYTES && this.#reservation.cover(bytes))) {
        this.#heldBytes = bytes;
        this.#held.push(frame);
        return;
      }
      this.#file = this.#context.spill.create("result");
      for (const held of this.#held) this.#file.append(held);
      this.#held = [];
      this.#reservation.release();
    }
    this.#file.append(frame);
  }
}
