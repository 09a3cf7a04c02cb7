// The eye on a worker's memory: reads RSS and the slots' control rows every 20 ms, asks the two pure judges (the pressure
// ladder, then the memory watch) and does what they say. What a slot that is ended held, and for which operators, is told in
// its error.

import { type ErrorFields, MillraceError } from "../../core/errors.js";
import type { NamedBytes } from "../../core/memory.js";
import { formatBytes } from "../../core/sizes.js";
import type { PressureLevel } from "../../protocol/worker.js";
import { PressureLadder } from "../memory-pressure.js";
import { type MemoryVerdict, MemoryWatch, type SlotReading } from "../memory-watch.js";
import { collectGarbage } from "../slot/collect-garbage.js";
import type { ControlRow } from "../slot/control-row.js";
import { touchedBytes } from "../touched-pages.js";

/** `shared`: the process is the driver's too, and `limitBytes` what its slots may hold; else the whole process's. */
export interface WatchedMemory {
  readonly limitBytes: number;
  readonly shared: boolean;
}

/** A slot as the guard sees it. */
export interface GuardedSlot {
  readonly control: ControlRow;
  readonly startedAtMs: number;
  readonly ending: boolean;
}

/** What a slot works on, for messages. */
export interface SlotWork {
  /** "partition 3 of reduceByKey at counts.ts:7:4", or "" where it is not known. */
  readonly what: string;
  readonly fields: ErrorFields;
}

export interface MemoryGuardOptions {
  readonly memory: WatchedMemory;
  readonly taskBytes: number;
  slots(): readonly GuardedSlot[];
  workOf(slot: number): SlotWork;
  /** Frees so much of the cache; the bytes that went. */
  evict(bytes: number): number;
  onPressure(level: PressureLevel): void;
  kill(slot: number, reason: MillraceError): void;
}

const WATCH_EVERY_MS = 20;
const SILENT_AFTER_MS = 100;
const SETTLE_MS = 1_000;

export class MemoryGuard {
  readonly #options: MemoryGuardOptions;
  readonly #watch: MemoryWatch;
  readonly #ladder = new PressureLadder();
  readonly #timer: NodeJS.Timeout;
  #level: PressureLevel = "calm";

  constructor(options: MemoryGuardOptions) {
    this.#options = options;
    const settings = { ...options.memory, silentAfterMs: SILENT_AFTER_MS, settleMs: SETTLE_MS };
    this.#watch = new MemoryWatch(settings, process.memoryUsage.rss());
    this.#timer = setInterval(() => this.#look(), WATCH_EVERY_MS).unref();
  }

  get level(): PressureLevel {
    return this.#level;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const slots = this.#options.slots();
    const now = Date.now();
    const rssBytes = process.memoryUsage.rss();
    this.#relieve(now, rssBytes, slots);
    const verdict = this.#watch.tick(now, rssBytes, slots.map(readingOf));
    if (verdict === null) return;
    const { control } = slots[verdict.slot] as GuardedSlot;
    this.#options.kill(verdict.slot, this.#outOfMemory(verdict, control.reservedBytes, control.holders));
  }

  /** In a driver's process a high RSS may be the driver's own: the slots are bothered only if they hold half of what they may. */
  #relieve(now: number, rssBytes: number, slots: readonly GuardedSlot[]): void {
    const { memory, evict, onPressure } = this.#options;
    const held = slots.reduce((sum, { control }) => sum + control.heapBytes, 0);
    const theirs = !memory.shared || held >= memory.limitBytes / 2;
    const readings = slots.map(({ control }, slot) => ({
      slot,
      asked: control.collectAsked,
      collectedAtMs: control.collectedAtMs,
      collectMs: control.collectMs,
    }));
    const advice = this.#ladder.tick(now, theirs ? rssBytes : 0, this.#watch.limitBytes, readings);
    for (const slot of advice.collect) slots[slot]?.control.askToCollect();
    // What is evicted is shared memory: it is free when every isolate has collected its reference, this one's too.
    if (advice.evictBytes > 0 && evict(advice.evictBytes) > 0) collectGarbage();
    if (advice.level === this.#level) return;
    this.#level = advice.level;
    onPressure(advice.level);
  }

  #outOfMemory(
    { slot, rssBytes, limitBytes }: MemoryVerdict,
    reservedBytes: number,
    holders: readonly NamedBytes[],
  ): MillraceError {
    const { memory, taskBytes, workOf } = this.#options;
    const { what, fields } = workOf(slot);
    const whose = memory.shared ? "the driver's process with its slots" : "the worker";
    const held =
      holders.length === 0
        ? "its operators had reserved nothing, so what filled memory was made by functions of the program"
        : `its operators had reserved ${formatBytes(reservedBytes)} of ${formatBytes(taskBytes)} (${holders.map(({ name, bytes }) => `${name} ${formatBytes(bytes)}`).join(", ")})`;
    return new MillraceError(
      "OUT_OF_MEMORY",
      `slot ${slot}${what === "" ? "" : `, with ${what},`} was ended because ${whose} held ${formatBytes(rssBytes)} of the ${formatBytes(limitBytes)} that it may use; ${held}; use more partitions, a combining operation instead of a grouping one, fewer slots, or more memory`,
      {
        fields: {
          ...fields,
          slot,
          rssBytes,
          limitBytes,
          reservedBytes,
          taskBytes,
          held: holders.map(({ name, bytes }) => ({ name, bytes })),
        },
      },
    );
  }
}

function readingOf({ control, startedAtMs, ending }: GuardedSlot, slot: number): SlotReading {
  const run = ending ? 0 : control.running;
  const { heapBytes, reportedAtMs, collectedAtMs } = control;
  const touched = run === 0 ? null : touchedBytes(control.thread);
  return { slot, run, heapBytes, reportedAtMs, startedAtMs, touchedBytes: touched, ending, collectedAtMs };
}
