// The ladder that a worker climbs as its process's RSS nears the limit, before the memory watch has to end a slot:
//
//   calm --80 %--> warm    slots are asked to collect their garbage: V8, whose limit is out of reach on purpose, is in no hurry
//   warm --90 %--> high    the cache is evicted down to what brings RSS back to 80 %, and at most half of the slots run
//   high --95 %--> critical  no new task starts while one runs
//
// A rung is left 5 % below where it was reached, so that nothing flickers. Pure: it is told the readings.

import type { PressureLevel } from "../protocol/worker.js";

/** What is known of one slot. */
export interface CollectorReading {
  readonly slot: number;
  /** Asked and not done yet. */
  readonly asked: boolean;
  /** When its last collection ended (0: never) and how long it took. */
  readonly collectedAtMs: number;
  readonly collectMs: number;
}

export interface PressureAdvice {
  readonly level: PressureLevel;
  /** Slots to ask for a collection. */
  readonly collect: readonly number[];
  /** Bytes of the cache to give up. */
  readonly evictBytes: number;
}

const RUNGS: readonly { readonly level: PressureLevel; readonly at: number }[] = [
  { level: "calm", at: 0 },
  { level: "warm", at: 0.8 },
  { level: "high", at: 0.9 },
  { level: "critical", at: 0.95 },
];
const HYSTERESIS = 0.05;
/** A collection takes at most one part in so many of a slot's time. */
const REST: Readonly<Record<PressureLevel, number>> = { calm: Infinity, warm: 10, high: 5, critical: 2 };
const LEAST_REST_MS: Readonly<Record<PressureLevel, number>> = { calm: Infinity, warm: 500, high: 250, critical: 100 };
/** RSS falls some time after an eviction: no second one before. */
const EVICT_EVERY_MS = 200;

export class PressureLadder {
  #rung = 0;
  #evictedAtMs = Number.NEGATIVE_INFINITY;

  get level(): PressureLevel {
    return (RUNGS[this.#rung] as (typeof RUNGS)[number]).level;
  }

  tick(nowMs: number, rssBytes: number, limitBytes: number, slots: readonly CollectorReading[]): PressureAdvice {
    const part = rssBytes / limitBytes;
    while (this.#rung + 1 < RUNGS.length && part >= this.#threshold(this.#rung + 1)) this.#rung++;
    while (this.#rung > 0 && part < this.#threshold(this.#rung) - HYSTERESIS) this.#rung--;
    const { level } = this;
    const due = ({ asked, collectedAtMs, collectMs }: CollectorReading) =>
      !asked && nowMs - collectedAtMs >= Math.max(LEAST_REST_MS[level], REST[level] * collectMs);
    return {
      level,
      // At 75 % on the way down there is nothing to hurry for.
      collect: part >= this.#threshold(1) ? slots.filter(due).map(({ slot }) => slot) : [],
      evictBytes: this.#toEvict(nowMs, rssBytes, limitBytes),
    };
  }

  #toEvict(nowMs: number, rssBytes: number, limitBytes: number): number {
    if (rssBytes < limitBytes * this.#threshold(2) || nowMs - this.#evictedAtMs < EVICT_EVERY_MS) return 0;
    this.#evictedAtMs = nowMs;
    return Math.ceil(rssBytes - limitBytes * this.#threshold(1));
  }

  #threshold(rung: number): number {
    return (RUNGS[rung] as (typeof RUNGS)[number]).at;
  }
}

/** How many of `slots` may run at a level; where none runs one may always start. */
export function slotsUnderPressure(level: PressureLevel, slots: number): number {
  if (level === "critical") return 1;
  return level === "high" ? Math.max(1, Math.floor(slots / 2)) : slots;
}
