// A conversation over the simulated network: the Connection of either end. It ends in order, breaks (both ends are told), or is
// cut (half-open: neither is told; the client finds out when its keepalive is not answered, the server by its own deadlines or
// when the client's machine answers that it knows of no such stream).

import { MillraceError } from "../../../src/core/errors.js";
import { type Connection, ConnectionHandlers } from "../../../src/rpc/connection.js";
import { type Carried, Lane, type Network } from "./network.js";
import type { SimulatedNode } from "./node.js";
import type { Random } from "./random.js";

/** Of the gRPC client (src/rpc/grpc/channel.ts): asked for after 20 s, waited for 10 s. */
const KEEPALIVE_MS = 30_000;

export class SimulatedStream implements Carried {
  readonly ends: readonly [SimulatedNode, SimulatedNode];
  readonly client: Connection;
  readonly server: Connection;
  readonly #lanes: readonly [Lane, Lane];
  readonly #handlers = [new ConnectionHandlers(), new ConnectionHandlers()] as const;
  readonly #lives: readonly [number, number];
  #isCut = false;

  constructor(
    private readonly network: Network,
    client: SimulatedNode,
    server: SimulatedNode,
    /** Sees every message as it is sent. */
    private readonly onSend: (from: SimulatedNode, to: SimulatedNode, bytes: Uint8Array) => void,
  ) {
    this.ends = [client, server];
    this.#lives = [client.life, server.life];
    this.#lanes = [new Lane(network, client, server), new Lane(network, server, client)];
    this.client = this.#connection(0);
    this.server = this.#connection(1);
    network.carried.add(this);
  }

  get isOpen(): boolean {
    return !this.#isCut && !this.#handlers[0].isEnded && !this.#handlers[1].isEnded;
  }

  /** A message is delivered to the server once more, later. */
  repeat(bytes: Uint8Array, afterMs: number): void {
    this.ends[1].clock.after(afterMs, () => {
      if (this.isOpen) this.#lanes[0].send(() => this.#handlers[1].message(bytes));
    });
  }

  /** What is under way is lost. Both ends are told, or neither. */
  break(told: boolean): void {
    if (!this.isOpen) return;
    this.#cut();
    if (told) {
      for (const side of [0, 1] as const) this.#tellSoon(side);
    } else this.#tell(0, KEEPALIVE_MS);
  }

  onBlocked(_from: SimulatedNode, untilMs: number): void {
    const { clock } = this.network.parts;
    if (untilMs - clock.now < KEEPALIVE_MS || !this.isOpen) return;
    // The client ends its side; the server hears of it when the link is there again.
    const [client] = this.ends;
    clock.after(KEEPALIVE_MS, () => {
      if (!this.isOpen || !(this.#blocked(0) || this.#blocked(1))) return;
      this.#cut();
      this.#tell(0, 0);
      clock.after(Math.max(0, this.network.blockedUntil(client, this.ends[1]) - clock.now), () => this.#tellSoon(1));
    });
  }

  onEnded(node: SimulatedNode, told: boolean): void {
    const side = this.ends[0] === node ? 0 : 1;
    const other = side === 0 ? 1 : 0;
    const wasOpen = this.isOpen;
    this.#cut();
    this.#handlers[side].end(null);
    if (!wasOpen) return;
    if (told) this.#tellSoon(other);
    else if (other === 0) this.#tell(0, KEEPALIVE_MS);
  }

  #blocked(side: 0 | 1): boolean {
    return this.network.isBlocked(this.ends[side], this.ends[side === 0 ? 1 : 0]);
  }

  #cut(): void {
    this.#isCut = true;
    for (const lane of this.#lanes) lane.cut();
    this.network.carried.delete(this);
  }

  #tellSoon(side: 0 | 1): void {
    const other = side === 0 ? 1 : 0;
    const { clock } = this.network.parts;
    this.#tell(side, this.network.arrival(this.ends[other], this.ends[side]) - clock.now);
  }

  #tell(side: 0 | 1, afterMs: number): void {
    const node = this.ends[side];
    this.network.parts.clock.after(afterMs, () =>
      node.step(this.#lives[side], () =>
        this.#handlers[side].end(new MillraceError("MASTER_LOST", "the simulated connection broke")),
      ),
    );
  }

  #connection(side: 0 | 1): Connection {
    const own = this.#handlers[side];
    const other = this.#handlers[side === 0 ? 1 : 0];
    const [from, to] = side === 0 ? this.ends : [this.ends[1], this.ends[0]];
    const lane = this.#lanes[side];
    let closing = false;
    return {
      send: (bytes) => {
        if (closing || own.isEnded) return;
        const copy = Uint8Array.from(bytes);
        if (this.#isCut) return;
        this.onSend(from, to, copy);
        lane.send(() => other.message(copy));
      },
      onMessage: (handler) => own.onMessage(handler),
      onClose: (handler) => own.onClose(handler),
      close: () => {
        if (closing || own.isEnded) return;
        closing = true;
        if (this.#isCut) {
          // The other end, which may not know yet, is told by the answer to what it sends next.
          if (side === 1) this.#tellSoon(0);
        } else {
          lane.send(() => {
            this.network.carried.delete(this);
            other.end(null);
          });
        }
        from.after(0, () => own.end(null));
      },
      bufferedBytes: 0,
    };
  }
}

/** Whether and when a stream breaks by chance, drawn when it is opened; ms from then. */
export function drawBreak(random: Random): { readonly afterMs: number; readonly told: boolean } {
  return { afterMs: random.below(1_500), told: random.chance(0.7) };
}
