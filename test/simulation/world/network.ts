// The network: a directed link between every two nodes, each with its own delay, that may be slow or let nothing through for a
// while, one way or both. Streams (stream.ts) and calls run over it. As over TCP: what is under way on a blocked link comes
// late, in order, if its stream lives so long; what is under way on a stream that breaks is lost, from some byte on.

import type { VirtualClock } from "./clock.js";
import type { SimulatedNode } from "./node.js";
import type { Random } from "./random.js";

export interface NetworkParts {
  readonly clock: VirtualClock;
  readonly random: Random;
}

interface Link {
  readonly baseMs: number;
  jitterMs: number;
  /** Nothing passes before. */
  blockedUntil: number;
}

/** After a block a sender tries again at its own pace. */
const RESEND_MS = 400;

/** What hears of broken links: streams and calls that are open. */
export interface Carried {
  readonly ends: readonly [SimulatedNode, SimulatedNode];
  /** The link from `from` to the other end lets nothing through until `untilMs`. */
  onBlocked(from: SimulatedNode, untilMs: number): void;
  /** A node's process has ended; `told`: its machine said so. */
  onEnded(node: SimulatedNode, told: boolean): void;
}

export class Network {
  readonly #links = new Map<string, Link>();
  readonly carried = new Set<Carried>();

  constructor(readonly parts: NetworkParts) {}

  /** When something sent now arrives, at the earliest. */
  arrival(from: SimulatedNode, to: SimulatedNode): number {
    const { clock, random } = this.parts;
    const link = this.#link(from, to);
    const delay = link.baseMs + random.next() * link.jitterMs;
    if (link.blockedUntil <= clock.now) return clock.now + delay;
    return link.blockedUntil + random.below(RESEND_MS) + delay;
  }

  isBlocked(from: SimulatedNode, to: SimulatedNode): boolean {
    return this.#link(from, to).blockedUntil > this.parts.clock.now;
  }

  blockedUntil(from: SimulatedNode, to: SimulatedNode): number {
    return this.#link(from, to).blockedUntil;
  }

  block(from: SimulatedNode, to: SimulatedNode, untilMs: number): void {
    const link = this.#link(from, to);
    link.blockedUntil = Math.max(link.blockedUntil, untilMs);
    for (const carried of [...this.carried]) {
      const [left, right] = carried.ends;
      if ((left === from && right === to) || (left === to && right === from)) carried.onBlocked(from, untilMs);
    }
  }

  /** Every block ends now. */
  heal(): void {
    for (const link of this.#links.values()) link.blockedUntil = Math.min(link.blockedUntil, this.parts.clock.now);
  }

  slow(from: SimulatedNode, to: SimulatedNode, jitterMs: number): void {
    this.#link(from, to).jitterMs = jitterMs;
  }

  ended(node: SimulatedNode, told: boolean): void {
    for (const carried of [...this.carried]) if (carried.ends.includes(node)) carried.onEnded(node, told);
  }

  #link(from: SimulatedNode, to: SimulatedNode): Link {
    const name = `${from.name}>${to.name}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      const { random } = this.parts;
      link = { baseMs: random.next() * 2, jitterMs: 2 + random.below(10), blockedUntil: 0 };
      this.#links.set(name, link);
    }
    return link;
  }
}

/** Things that arrive in the order in which they were sent, each as a step of the receiver. */
export class Lane {
  #dueMs = 0;
  readonly #queue: (() => void)[] = [];
  #cut = false;

  constructor(
    private readonly network: Network,
    private readonly from: SimulatedNode,
    private readonly to: SimulatedNode,
    private readonly life = to.life,
  ) {}

  send(act: () => void): void {
    if (this.#cut) return;
    this.#queue.push(act);
    this.#dueMs = Math.max(this.#dueMs, this.network.arrival(this.from, this.to));
    this.#deliverAt(this.#dueMs);
  }

  /** What is under way never arrives, nor anything sent later. */
  cut(): void {
    this.#cut = true;
    this.#queue.length = 0;
  }

  #deliverAt(atMs: number): void {
    const { clock } = this.network.parts;
    clock.after(atMs - clock.now, () => {
      if (this.#queue.length === 0) return;
      // A block has begun while it was under way.
      if (this.network.isBlocked(this.from, this.to)) {
        this.#dueMs = Math.max(this.#dueMs, this.network.arrival(this.from, this.to));
        this.#deliverAt(this.#dueMs);
        return;
      }
      const act = this.#queue.shift() as () => void;
      this.to.step(this.life, () => {
        if (!this.#cut) act();
      });
    });
  }
}
