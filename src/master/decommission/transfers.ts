// The blocks of one leaving worker: which must still be moved, which are on their way to whom, which nobody takes. Bounded in
// bytes on the way. A block that is not needed any more (its shuffle was released, its session closed) is forgotten at the
// next look. Moves nothing itself.

import type { WorkerId } from "../../core/ids.js";
import { type AdoptableBlock, blockName } from "../../protocol/adoption.js";
import type { DecommissionOptions } from "./options.js";
import { chooseReceiver } from "./receivers.js";
import type { DecommissionCounts, MovingBlock, OpenBlock, Receiver } from "./state.js";

const NOBODY: ReadonlySet<WorkerId> = new Set();

export class Transfers {
  readonly #options: DecommissionOptions;
  readonly #node: string;
  readonly #open = new Map<string, OpenBlock>();
  readonly #moving = new Map<string, MovingBlock>();
  /** Nobody takes them. */
  readonly #refused = new Map<string, AdoptableBlock>();
  readonly #givenBytes = new Map<WorkerId, number>();
  #bytesInFlight = 0;
  #outputsMoved = 0;
  #cachedMoved = 0;
  #bytesMoved = 0;

  /** `node`: where the leaving worker stands. */
  constructor(options: DecommissionOptions, node: string) {
    this.#options = options;
    this.#node = node;
  }

  /** `held`: everything that lies on the worker and is needed, as it is now. */
  look(held: Iterable<AdoptableBlock>): void {
    const names = new Set<string>();
    for (const block of held) {
      const name = blockName(block);
      names.add(name);
      if (this.#open.has(name) || this.#moving.has(name) || this.#refused.has(name)) continue;
      this.#open.set(name, { block, refusedBy: NOBODY, round: 1, notBeforeMs: 0 });
    }
    for (const name of [...this.#open.keys()]) if (!names.has(name)) this.#open.delete(name);
    for (const name of [...this.#refused.keys()]) if (!names.has(name)) this.#refused.delete(name);
    for (const [name, moving] of [...this.#moving]) if (!names.has(name)) this.#land(name, moving);
  }

  /** Puts open blocks on their way, as far as the bound allows: what to ask of whom. */
  assign(receivers: readonly Receiver[], now: number): Map<WorkerId, AdoptableBlock[]> {
    const asked = new Map<WorkerId, AdoptableBlock[]>();
    if (receivers.length === 0) return asked;
    const { maxBytesInFlight, maxBlocksInFlight } = this.#options;
    for (const [name, open] of this.#open) {
      if (this.#moving.size >= maxBlocksInFlight) break;
      if (open.notBeforeMs > now) continue;
      const { block, refusedBy, round } = open;
      const to = chooseReceiver(receivers, this.#node, refusedBy, this.#givenBytes);
      if (to === null) {
        this.#nextRound(name, open, now);
        continue;
      }
      if (this.#moving.size > 0 && this.#bytesInFlight + block.sizeBytes > maxBytesInFlight) break;
      this.#open.delete(name);
      this.#moving.set(name, { block, refusedBy, round, to });
      this.#bytesInFlight += block.sizeBytes;
      this.#givenBytes.set(to, (this.#givenBytes.get(to) ?? 0) + block.sizeBytes);
      asked.set(to, [...(asked.get(to) ?? []), block]);
    }
    return asked;
  }

  /** The block lies elsewhere now, whoever took it. */
  moved(block: AdoptableBlock): void {
    const name = blockName(block);
    const moving = this.#moving.get(name);
    if (moving !== undefined) this.#land(name, moving);
    this.#open.delete(name);
    this.#refused.delete(name);
    if (block.kind === "mapOutput") this.#outputsMoved++;
    else this.#cachedMoved++;
    this.#bytesMoved += block.sizeBytes;
  }

  /** A receiver could not or would not take it; of one that was not asked any more it changes nothing. */
  failed(block: AdoptableBlock, by: WorkerId): void {
    const name = blockName(block);
    const moving = this.#moving.get(name);
    if (moving?.to === by) this.#reopen(name, moving);
  }

  /** A receiver is gone or away: what was on its way to it is to be had by others. */
  receiverGone(worker: WorkerId): void {
    for (const [name, moving] of [...this.#moving]) if (moving.to === worker) this.#reopen(name, moving);
  }

  get counts(): DecommissionCounts {
    const left = [...this.#open.values(), ...this.#moving.values()].map(({ block }) => block);
    for (const block of this.#refused.values()) left.push(block);
    return {
      outputsMoved: this.#outputsMoved,
      cachedMoved: this.#cachedMoved,
      bytesMoved: this.#bytesMoved,
      blocksLeft: left.length,
      bytesLeft: left.reduce((sum, block) => sum + block.sizeBytes, 0),
    };
  }

  /** Whether waiting can still move something. */
  get isBusy(): boolean {
    return this.#open.size > 0 || this.#moving.size > 0;
  }

  get isMoving(): boolean {
    return this.#moving.size > 0;
  }

  /** What does not hold; for tests. */
  validate(): string[] {
    const bytes = [...this.#moving.values()].reduce((sum, { block }) => sum + block.sizeBytes, 0);
    return bytes === this.#bytesInFlight ? [] : [`${this.#bytesInFlight} bytes in flight counted, ${bytes} found`];
  }

  #reopen(name: string, moving: MovingBlock): void {
    this.#land(name, moving);
    this.#givenBytes.set(moving.to, (this.#givenBytes.get(moving.to) ?? 0) - moving.block.sizeBytes);
    const { block, refusedBy, round, to } = moving;
    this.#open.set(name, { block, refusedBy: new Set([...refusedBy, to]), round, notBeforeMs: 0 });
  }

  #land(name: string, { block }: MovingBlock): void {
    this.#moving.delete(name);
    this.#bytesInFlight -= block.sizeBytes;
  }

  /** Everybody has refused it. A cached partition is only worth one round: it can be computed again. */
  #nextRound(name: string, { block, round }: OpenBlock, now: number): void {
    const { maxRounds, roundMs } = this.#options;
    if (block.kind === "cached" || round >= maxRounds) {
      this.#open.delete(name);
      this.#refused.set(name, block);
    } else {
      this.#open.set(name, { block, refusedBy: NOBODY, round: round + 1, notBeforeMs: now + roundMs });
    }
  }
}
