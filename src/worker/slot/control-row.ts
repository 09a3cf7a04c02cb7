// The shared memory of one slot and its process's main thread: a cancel word, a wake-up word and a row of counters. The
// main thread can read and cancel at any moment without a message, also while the slot is in a loop that never ends; when
// a slot dies its row still says what it held, and by whom. Layout: 6 int32, float64 counters, float64 bytes of each holder,
// the holders' names in latin1.

import type { NamedBytes } from "../../core/memory.js";

/** Bytes of one row. */
const COUNTERS = 16;
/** Holders of memory that a row names; what comes beyond them counts with the last. */
const HOLDERS = 12;
const NAME_BYTES = 120;
const WORDS = 6;
/** More than a launch ever has (task-assigner), and runs whose numbers are told apart: both fit into one int32. */
const TASKS_PER_RUN = 256;
const RUNS = 1 << 22;
const COUNTERS_AT = WORDS * 4;
const HOLDERS_AT = COUNTERS_AT + COUNTERS * 8;
const NAMES_AT = HOLDERS_AT + HOLDERS * 8;
const ROW_BYTES = NAMES_AT + HOLDERS * NAME_BYTES;

const CANCEL = 0;
const WAKE = 1;
const RUNNING = 2;
const COLLECT = 3;
const BEGUN = 4;

const RESERVED = 0;
const HEAP = 1;
const REPORTED_AT = 2;
const RECORDS = 3;
const BYTES = 4;
const PEAK = 5;
const THREAD = 6;
const COLLECTED_AT = 7;
const COLLECT_MS = 8;

export class ControlRow {
  readonly #words: Int32Array;
  readonly #counters: Float64Array;
  readonly #held: Float64Array;
  readonly #names: Uint8Array;
  #holders = 0;

  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(ROW_BYTES)) {
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#counters = new Float64Array(memory, COUNTERS_AT, COUNTERS);
    this.#held = new Float64Array(memory, HOLDERS_AT, HOLDERS);
    this.#names = new Uint8Array(memory, NAMES_AT, HOLDERS * NAME_BYTES);
  }

  /** Asks the run with number `run` to stop. A run of another number takes no notice. */
  cancel(run: number): void {
    Atomics.store(this.#words, CANCEL, run);
    this.wake();
  }

  isCancelled(run: number): boolean {
    return Atomics.load(this.#words, CANCEL) === run;
  }

  /** The run that the slot is in, 0 between runs. */
  get running(): number {
    return Atomics.load(this.#words, RUNNING);
  }

  /** Called by the slot at the start (its number) and end (0) of a run; clears the counters at a start. */
  setRunning(run: number): void {
    Atomics.store(this.#words, RUNNING, run);
    if (run !== 0) {
      this.#counters[RECORDS] = 0;
      this.#counters[BYTES] = 0;
      this.#counters[PEAK] = 0;
      this.clearHolders();
    }
  }

  /**
   * Called by the main thread when run `run` is about to be given: the first of its tasks counts as begun. The word names the
   * run, too: the slot may still be about to look at it for the run before, whose rest was taken back.
   */
  beginTasks(run: number): void {
    Atomics.store(this.#words, BEGUN, begunOf(run, 1));
  }

  /** Called by the slot before task `at` of run `run`: false when the rest of that run was taken back. */
  beginNext(run: number, at: number): boolean {
    const before = begunOf(run, at);
    return Atomics.compareExchange(this.#words, BEGUN, before, before + 1) === before;
  }

  /** Called by the main thread: no further task of the run begins. Answers how many have. */
  takeBack(): number {
    for (;;) {
      const begun = Atomics.load(this.#words, BEGUN);
      if (begun <= 0) return Math.abs(begun) % TASKS_PER_RUN;
      if (Atomics.compareExchange(this.#words, BEGUN, begun, -begun) === begun) return begun % TASKS_PER_RUN;
    }
  }

  /** Tasks that the run has when its rest was taken back; null: it was not. */
  get takenBackAt(): number | null {
    const begun = Atomics.load(this.#words, BEGUN);
    return begun < 0 ? Math.abs(begun) % TASKS_PER_RUN : null;
  }

  get wakeCount(): number {
    return Atomics.load(this.#words, WAKE);
  }

  /** Ends a `waitForWake` of the slot. */
  wake(): void {
    Atomics.add(this.#words, WAKE, 1);
    Atomics.notify(this.#words, WAKE);
  }

  /** Blocks the slot until `wake` was called after `seen` was read, at most `timeoutMs`. */
  waitForWake(seen: number, timeoutMs: number): void {
    Atomics.wait(this.#words, WAKE, seen, timeoutMs);
  }

  get reservedBytes(): number {
    return this.#counters[RESERVED] as number;
  }

  set reservedBytes(bytes: number) {
    this.#counters[RESERVED] = bytes;
    if (bytes > (this.#counters[PEAK] as number)) this.#counters[PEAK] = bytes;
  }

  /** A place in the row for one who holds memory, by its name. */
  addHolder(name: string): number {
    const holder = Math.min(this.#holders++, HOLDERS - 1);
    const place = this.#names.subarray(holder * NAME_BYTES, (holder + 1) * NAME_BYTES);
    place.fill(0);
    place.set(Buffer.from(this.#holders > HOLDERS ? "others" : name, "latin1").subarray(0, NAME_BYTES));
    return holder;
  }

  setHolder(holder: number, bytes: number): void {
    this.#held[holder] = bytes;
  }

  clearHolders(): void {
    this.#held.fill(0);
    this.#holders = 0;
  }

  /** Who holds memory, most first. */
  get holders(): NamedBytes[] {
    const found: NamedBytes[] = [];
    this.#held.forEach((bytes, holder) => {
      if (bytes <= 0) return;
      const place = Buffer.from(this.#names.slice(holder * NAME_BYTES, (holder + 1) * NAME_BYTES));
      const end = place.indexOf(0);
      found.push({ name: place.toString("latin1", 0, end < 0 ? NAME_BYTES : end), bytes });
    });
    return found.sort((a, b) => b.bytes - a.bytes);
  }

  get peakBytes(): number {
    return this.#counters[PEAK] as number;
  }

  /** What the slot's own isolate holds (heap and external), as it last said. */
  get heapBytes(): number {
    return this.#counters[HEAP] as number;
  }

  /** `Date.now()` of the last report. */
  get reportedAtMs(): number {
    return this.#counters[REPORTED_AT] as number;
  }

  /** The system's number of the slot's thread, 0 before it is up. */
  get thread(): number {
    return this.#counters[THREAD] as number;
  }

  set thread(number: number) {
    this.#counters[THREAD] = number;
  }

  /** Asks the slot to collect its garbage at its next look at the row. */
  askToCollect(): void {
    Atomics.store(this.#words, COLLECT, 1);
  }

  /** Asked and not done yet. */
  get collectAsked(): boolean {
    return Atomics.load(this.#words, COLLECT) !== 0;
  }

  /** Called by the slot after a collection. */
  collected(ms: number, nowMs: number): void {
    this.#counters[COLLECT_MS] = ms;
    this.#counters[COLLECTED_AT] = nowMs;
    Atomics.store(this.#words, COLLECT, 0);
  }

  /** `Date.now()` at the end of the last collection that was asked for, 0 before the first. */
  get collectedAtMs(): number {
    return this.#counters[COLLECTED_AT] as number;
  }

  get collectMs(): number {
    return this.#counters[COLLECT_MS] as number;
  }

  report(heapBytes: number, nowMs: number): void {
    this.#counters[HEAP] = heapBytes;
    this.#counters[REPORTED_AT] = nowMs;
  }

  get records(): number {
    return this.#counters[RECORDS] as number;
  }

  get bytes(): number {
    return this.#counters[BYTES] as number;
  }

  setProgress(records: number, bytes: number): void {
    this.#counters[RECORDS] = records;
    this.#counters[BYTES] = bytes;
  }
}

/** Of run `run` so many tasks have begun: negative once the rest was taken back. */
function begunOf(run: number, tasks: number): number {
  return (run % RUNS) * TASKS_PER_RUN + tasks;
}
