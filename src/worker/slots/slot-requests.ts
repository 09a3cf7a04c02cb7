// Answers what slots ask of their process's main thread: blobs, blocks and cached partitions of other workers. Each answer is
// a stream of pieces with at most REPLY_WINDOW of them not yet taken by the slot. A reducer has one stream for each other
// worker; what all of them hold together is bounded by fetch-window.ts.

import { MillraceError, toWireError } from "../../core/errors.js";
import { REPLY_WINDOW } from "../slot/blocking-channel.js";
import type { SlotMessage, SlotRequest } from "../slot/messages.js";
import type { FetchWindow, StreamWindow } from "./fetch-window.js";
import type { SlotThread } from "./slot.js";

/** Where the answers come from. Every stream ends early when the signal is aborted. */
export interface RequestSources {
  blob(request: SlotRequest & { kind: "blob" }, signal: AbortSignal): Promise<Uint8Array>;
  blocks(request: SlotRequest & { kind: "blocks" }, signal: AbortSignal): AsyncIterable<Uint8Array>;
  cached(request: SlotRequest & { kind: "cached" }, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

interface OpenStream {
  readonly abort: AbortController;
  readonly window: StreamWindow;
  credit: number;
  wake: (() => void) | null;
  /** Everything was sent: it stays until the slot has taken it. */
  answered: boolean;
}

export class SlotRequests {
  readonly #sources: RequestSources;
  readonly #window: FetchWindow;
  readonly #streams = new Map<SlotThread, Map<number, OpenStream>>();

  constructor(sources: RequestSources, window: FetchWindow) {
    this.#sources = sources;
    this.#window = window;
  }

  handle(slot: SlotThread, message: SlotMessage & { kind: "request" | "more" | "end" }): void {
    const streams = this.#streams.get(slot) ?? new Map<number, OpenStream>();
    this.#streams.set(slot, streams);
    if (message.kind === "request") {
      const abort = new AbortController();
      const stream: OpenStream = {
        abort,
        window: this.#window.open(),
        credit: REPLY_WINDOW,
        wake: null,
        answered: false,
      };
      streams.set(message.id, stream);
      void this.#answer(slot, message.id, message.request, stream).finally(() => {
        stream.answered = true;
        if (abort.signal.aborted || stream.window.isEmpty) streams.delete(message.id);
      });
      return;
    }
    const stream = streams.get(message.id);
    if (stream === undefined) return;
    if (message.kind === "end") {
      stream.abort.abort();
      stream.window.close();
    } else stream.window.taken();
    stream.credit++;
    stream.wake?.();
    if (stream.answered && stream.window.isEmpty) streams.delete(message.id);
  }

  /** The slot died or its run ended: nobody takes the answers any more. */
  drop(slot: SlotThread): void {
    for (const stream of this.#streams.get(slot)?.values() ?? []) {
      stream.abort.abort();
      stream.window.close();
      stream.wake?.();
    }
    this.#streams.delete(slot);
  }

  async #answer(slot: SlotThread, id: number, request: SlotRequest, stream: OpenStream): Promise<void> {
    const { signal } = stream.abort;
    try {
      if (request.kind === "blob") {
        slot.reply({ id, bytes: await this.#sources.blob(request, signal), last: true, error: null });
        return;
      }
      const pieces =
        request.kind === "blocks" ? this.#sources.blocks(request, signal) : this.#sources.cached(request, signal);
      for await (const bytes of pieces) {
        while (stream.credit === 0 && !signal.aborted) {
          await new Promise<void>((resolve) => {
            stream.wake = resolve;
          });
        }
        await stream.window.admit(bytes.byteLength, signal);
        if (signal.aborted) return;
        stream.credit--;
        slot.reply({ id, bytes, last: false, error: null });
      }
      slot.reply({ id, bytes: null, last: true, error: null });
    } catch (error) {
      if (signal.aborted) return;
      slot.reply({ id, bytes: null, last: true, error: toWireError(asFetchError(error, request), "FETCH_FAILED") });
    }
  }
}

function asFetchError(error: unknown, request: SlotRequest): unknown {
  if (request.kind !== "blocks" || !(error instanceof Error) || (error as MillraceError).code === "BLOCK_CORRUPT")
    return error;
  const { shuffle, worker, outputs } = request.request;
  return new MillraceError(
    "FETCH_FAILED",
    `shuffle ${shuffle}, reduce partition ${request.partition}: worker ${worker.worker} did not deliver its blocks: ${error.message}`,
    {
      fields: { shuffle, partition: request.partition, worker: worker.worker, map: outputs[0]?.map ?? -1 },
      cause: error,
    },
  );
}
