// The shared memory of one slot and its process's main thread: a cancel word, a wake-up word and a row of counters. The
// main thread can read and cancel at any moment without a message, also while the slot is in a loop that never ends; when
// a slot dies its row still says what it held. Layout: 4 int32, then float64 counters.

/** Bytes of one row. */
const ROW_BYTES = 16 + 8 * 8;

const CANCEL = 0;
const WAKE = 1;
const RUNNING = 2;

const RESERVED = 0;
const HEAP = 1;
const REPORTED_AT = 2;
const RECORDS = 3;
const BYTES = 4;
const PEAK = 5;
const THREAD = 6;

export class ControlRow {
  readonly #words: Int32Array;
  readonly #counters: Float64Array;

  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(ROW_BYTES)) {
    this.#words = new Int32Array(memory, 0, 4);
    this.#counters = new Float64Array(memory, 16, 8);
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
    }
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
