// How a slot, which is synchronous, asks its process's main thread for something that takes I/O: it posts a request, and
// waits by Atomics.wait for replies on the port, with a deadline and an eye on the cancel word. At most WINDOW replies of a
// stream are under way, so memory is bounded whatever the sizes are.

import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { fromWireError, MillraceError } from "../../core/errors.js";
import type { ControlRow } from "./control-row.js";
import type { SlotMessage, SlotReply, SlotRequest } from "./messages.js";

/** Replies of one stream that may be on their way to the slot. */
export const REPLY_WINDOW = 8;

/** How often a blocked slot looks at its cancel word even if nobody wakes it. */
const POLL_MS = 200;

export class BlockingChannel {
  readonly #port: MessagePort;
  readonly #control: ControlRow;
  readonly #timeoutMs: number;
  readonly #queues = new Map<number, SlotReply[]>();
  #nextId = 1;

  constructor(port: MessagePort, control: ControlRow, timeoutMs: number) {
    this.#port = port;
    this.#control = control;
    this.#timeoutMs = timeoutMs;
  }

  /** One request, one reply. Throws the reply's error, TIMEOUT, or what `checkCancelled` throws. */
  request(request: SlotRequest, checkCancelled: () => void): Uint8Array {
    const stream = this.open(request, checkCancelled);
    const bytes = stream.next();
    stream.close();
    if (bytes === null) throw new MillraceError("INTERNAL", `the request ${request.kind} was answered with nothing`);
    return bytes;
  }

  /** One request, many replies. `next` blocks; null = the end. `close` early tells the main thread to stop. */
  open(request: SlotRequest, checkCancelled: () => void): { next(): Uint8Array | null; close(): void } {
    const id = this.#nextId++;
    this.#queues.set(id, []);
    this.#post({ kind: "request", id, request });
    let ended = false;
    return {
      next: () => {
        if (ended) return null;
        const reply = this.#receive(id, request, checkCancelled);
        if (reply.last || reply.error !== null) {
          ended = true;
          this.#queues.delete(id);
        } else {
          this.#post({ kind: "more", id });
        }
        if (reply.error !== null) throw fromWireError(reply.error);
        return reply.bytes;
      },
      close: () => {
        if (ended) return;
        ended = true;
        this.#queues.delete(id);
        this.#post({ kind: "end", id });
      },
    };
  }

  #receive(id: number, request: SlotRequest, checkCancelled: () => void): SlotReply {
    const deadline = Date.now() + this.#timeoutMs;
    for (;;) {
      const seen = this.#control.wakeCount;
      this.#drain();
      const reply = this.#queues.get(id)?.shift();
      if (reply !== undefined) return reply;
      checkCancelled();
      const left = deadline - Date.now();
      if (left <= 0) {
        throw new MillraceError(
          "TIMEOUT",
          `the worker's main thread did not answer a request for ${request.kind} within ${this.#timeoutMs} ms`,
          {
            fields: { request: request.kind, timeoutMs: this.#timeoutMs },
          },
        );
      }
      this.#control.waitForWake(seen, Math.min(left, POLL_MS));
    }
  }

  #drain(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.accept(received.message as SlotReply);
    }
  }

  /** Takes a reply that was received elsewhere: where a task waits for a promise, the event loop reads the port. */
  accept(reply: SlotReply): void {
    // A stream that was closed early has no queue any more: what still comes is dropped.
    this.#queues.get(reply.id)?.push(reply);
  }

  #post(message: SlotMessage): void {
    this.#port.postMessage(message);
  }
}
