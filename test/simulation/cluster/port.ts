// The port of a simulated slot. A slot is synchronous: it cannot wait while the virtual clock goes on. So an attempt that
// would block is run again from its start when the answer has come, and finds every answer that it had already; the main thread
// sees one conversation. Only what an attempt read first is new to the other side.

import type { SlotMessage, SlotReply, SlotRequest } from "../../../src/worker/slot/messages.js";

interface Stream {
  readonly id: number;
  readonly replies: SlotReply[];
  /** Of this pass: the id that the attempt uses, and how many replies it was given. */
  alias: number | null;
  given: number;
  taken: number;
  takenBefore: number;
  closed: boolean;
}

export class ReplayPort {
  #streams = new Map<string, Stream>();
  readonly #byId = new Map<number, Stream>();
  #aliases = new Map<number, Stream>();
  #repeats = new Map<string, number>();
  #nextId = 1;
  /** Replies so far. */
  received = 0;

  constructor(
    private readonly toMain: (message: SlotMessage) => void,
    /** Sees the requests of every pass. */
    private readonly asked: (request: SlotRequest) => void,
  ) {}

  /** A new attempt begins. */
  reset(): void {
    this.#streams.clear();
    this.#byId.clear();
    this.beginPass();
  }

  /** The attempt begins, for the first time or once more. */
  beginPass(): void {
    this.#aliases = new Map();
    this.#repeats = new Map();
    for (const stream of this.#streams.values()) {
      stream.alias = null;
      stream.given = 0;
      stream.taken = 0;
      stream.closed = false;
    }
  }

  /** The attempt has ended: streams that it closed early, or never came to, are ended at the other side. */
  endAttempt(): void {
    for (const stream of this.#streams.values()) {
      if (stream.replies.at(-1)?.last !== true) this.toMain({ kind: "end", id: stream.id });
    }
    this.reset();
  }

  /** By the main thread. false: nobody takes it any more. */
  reply(reply: SlotReply): boolean {
    const stream = this.#byId.get(reply.id);
    if (stream === undefined) return false;
    stream.replies.push(reply);
    this.received++;
    return true;
  }

  // The attempt's side: what BlockingChannel uses of a MessagePort.

  postMessage(message: SlotMessage): void {
    switch (message.kind) {
      case "request": {
        this.asked(message.request);
        const stream = this.#streamOf(message.request);
        stream.alias = message.id;
        this.#aliases.set(message.id, stream);
        return;
      }
      case "more": {
        const stream = this.#aliases.get(message.id);
        if (stream === undefined || ++stream.taken <= stream.takenBefore) return;
        stream.takenBefore = stream.taken;
        this.toMain({ kind: "more", id: stream.id });
        return;
      }
      case "end": {
        const stream = this.#aliases.get(message.id);
        if (stream !== undefined) stream.closed = true;
        return;
      }
      case "log":
        this.toMain(message);
    }
  }

  receive(): { readonly message: SlotReply } | undefined {
    for (const stream of this.#aliases.values()) {
      const reply = stream.closed ? undefined : stream.replies[stream.given];
      if (reply === undefined || stream.alias === null) continue;
      stream.given++;
      // What is read becomes the reader's own: the next pass must find it as it was.
      const bytes = reply.bytes === null ? null : Uint8Array.from(reply.bytes);
      return { message: { ...reply, bytes, id: stream.alias } };
    }
    return undefined;
  }

  unref(): void {
    // There is no loop to keep alive.
  }

  /** The same request of the same pass twice is two streams. */
  #streamOf(request: unknown): Stream {
    const text = JSON.stringify(request);
    const turn = this.#repeats.get(text) ?? 0;
    this.#repeats.set(text, turn + 1);
    const name = `${turn} ${text}`;
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    const id = this.#nextId++;
    const stream: Stream = {
      id,
      replies: [],
      alias: null,
      given: 0,
      taken: 0,
      takenBefore: 0,
      closed: false,
    };
    this.#streams.set(name, stream);
    this.#byId.set(id, stream);
    this.toMain({ kind: "request", id, request: request as never });
    return stream;
  }
}
