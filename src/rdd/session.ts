// The public Session: sources of RDDs, shared values, listeners and the end of it. What holds it together is
// session/driver-session.ts; how it reaches a master is given to it (src/index.ts wires that).

import type { SessionId } from "../core/ids.js";
import { toAbsoluteUrl } from "../emrfs/url.js";
import type { Source } from "../plan/lineage.js";
import type { JobSummary, StageProgress } from "../protocol/driver.js";
import { type Accumulator, type AccumulatorDefinition, sumsNumbers } from "../session/accumulator.js";
import { invalidArgument, optionalPartitions, requireCount, requireText } from "../session/arguments.js";
import type { Broadcast } from "../session/broadcast.js";
import type { SessionStatistics } from "../session/driver-session.js";
import type { AnyFunction } from "../session/function-capture.js";
import type { JobEnd } from "../session/job-client.js";
import type { NodeHandle } from "../session/lineage-store.js";
import type { TaskLog } from "../session/task-log.js";
import { driverOnly } from "../session/travelling.js";
import type { CounterMetric, HistogramMetric, TimerMetric } from "../session/user-metrics.js";
import { datasetNode, Operand } from "./operand.js";
import { union } from "./operations/union.js";
import { RDD } from "./rdd.js";
import { SessionJobs } from "./session-jobs.js";
import { cutEvenly } from "./slices.js";
import { type TextReadOptions, textForm } from "./text-read-options.js";

const inspectByNode: unique symbol = Symbol.for("nodejs.util.inspect.custom");
/** Slices of a collection or a range when none are asked for: by the data alone, so that results repeat on any cluster. */
const DEFAULT_SLICES = 8;

/** A connection to a master, and the place where RDDs begin. A process may have many; they share nothing. */
export class RddSession extends SessionJobs implements AsyncDisposable {
  /** @hidden */
  readonly [driverOnly] = "Session";

  /** The session's id at its master. */
  get id(): SessionId {
    return this.driver.id;
  }

  /** The option appName: how `millrace status` and the event log name this session. */
  get appName(): string {
    return this.driver.appName;
  }

  /** Slots of the cluster when the session was opened. */
  get slots(): number {
    return this.driver.slots;
  }

  /** Counters of this session. `jobs` shows that transformations start none. */
  get statistics(): SessionStatistics {
    return this.driver.statistics;
  }

  /** What ran where in the job that ended last; null before the first. */
  get lastJob(): JobSummary | null {
    return this.driver.lastJob;
  }

  /**
   * The elements of any iterable, copied at the call, in `slices` partitions of equal size in order.
   * E.g. `const few = session.parallelize(["a", "b", "c"], 2)`.
   *
   * @param slices default: the option defaultParallelism, else the smaller of 8 and the number of elements
   */
  parallelize<T>(elements: Iterable<T>, slices?: number): RDD<T> {
    this.#open("parallelize");
    if (typeof elements !== "object" && typeof elements !== "string") {
      throw invalidArgument("parallelize", "elements", "an iterable", elements);
    }
    if (elements === null || typeof (elements as Iterable<T>)[Symbol.iterator] !== "function") {
      throw invalidArgument("parallelize", "elements", "an iterable", elements);
    }
    const count = optionalPartitions("parallelize", "slices", slices);
    const all = Array.isArray(elements) ? (elements as readonly T[]) : Array.from(elements);
    const encoded = this.driver.values.slices(cutEvenly(all, count ?? this.#slices(all.length)), "parallelize");
    return this.#source("parallelize", { kind: "collection", ...encoded });
  }

  /**
   * The numbers start, start + step, ... below `end` (above it, for a negative step). `range(n)` is `range(0, n)`.
   * E.g. `const odd = session.range(1, 100, 2)`.
   *
   * @param step default 1
   * @param slices default: the option defaultParallelism, else the smaller of 8 and how many numbers there are
   */
  range(start: number, end?: number, step = 1, slices?: number): RDD<number> {
    this.#open("range");
    const [from, to] = end === undefined ? [0, start] : [start, end];
    requireFinite("range", end === undefined ? "end" : "start", start);
    requireFinite("range", "end", to);
    requireFinite("range", "step", step);
    if (step === 0) throw invalidArgument("range", "step", "a number other than 0", step);
    const given = optionalPartitions("range", "slices", slices);
    const length = Math.max(0, Math.ceil((to - from) / step));
    if (!Number.isSafeInteger(length))
      throw invalidArgument("range", "end", "such that there are at most 2^53 numbers", to);
    return this.#source("range", { kind: "range", start: from, end: to, step, slices: given ?? this.#slices(length) });
  }

  /** An RDD without records and without partitions. */
  emptyRDD<T>(): RDD<T> {
    this.#open("emptyRDD");
    return this.#source("emptyRDD", { kind: "collection", slices: [], classes: [] });
  }

  /**
   * The lines of text files, without their \n or \r\n, as UTF-8 (INVALID_TEXT otherwise, when a task reads them). A path may
   * be a file, a directory (the files in it, not those below), a glob (`*`, `?`, `[...]`, `{a,b}`, `**`), or a file: URL; `.gz`
   * files are one partition each. Names that begin with . or _ are left out. Relative paths are taken from the working
   * directory of the program. That a path does not exist is told by the first action (PATH_NOT_FOUND, GLOB_MATCHED_NOTHING;
   * IS_A_DIRECTORY for one that holds directories alone).
   *
   * ```ts
   * const lines = session.textFile("logs/2026-11-*.gz");
   * ```
   *
   * @param paths one path or several; unlike in Spark a comma is part of a name
   * @param options a number: minPartitions
   */
  textFile(paths: string | readonly string[], options?: number | TextReadOptions): RDD<string> {
    this.#open("textFile");
    const urls = this.#urls("textFile", paths);
    return this.#source("textFile", { kind: "text", paths: urls, ...textForm("textFile", options) });
  }

  /**
   * Files of records of exactly `recordLength` bytes each (INVALID_FILE when a file's length is no multiple). Paths and minPartitions as in
   * textFile.
   * E.g. `const rows = session.binaryRecords("data/*.bin", 100)`.
   */
  binaryRecords(paths: string | readonly string[], recordLength: number, minPartitions?: number): RDD<Uint8Array> {
    this.#open("binaryRecords");
    const urls = this.#urls("binaryRecords", paths);
    requireCount("binaryRecords", "recordLength", recordLength, 1, 2 ** 31 - 1);
    const minimum = optionalPartitions("binaryRecords", "minPartitions", minPartitions);
    return this.#source("binaryRecords", { kind: "binaryRecords", paths: urls, recordLength, minPartitions: minimum });
  }

  /**
   * [path, text] of each file, as UTF-8 (INVALID_TEXT otherwise): for many small files. Paths as in textFile.
   * E.g. `const parsed = session.wholeTextFiles("data/*.json").mapValues((text) => JSON.parse(text))`.
   *
   * @param minPartitions at least so many, where there are so many files; default: by size, small files together
   */
  wholeTextFiles(paths: string | readonly string[], minPartitions?: number): RDD<readonly [string, string]> {
    return this.#wholeFiles("wholeTextFiles", paths, "text", minPartitions);
  }

  /**
   * [path, bytes] of each file, gunzipped where its name ends in .gz. Else as wholeTextFiles.
   * E.g. `const sizes = session.binaryFiles("images/*.png").mapValues((bytes) => bytes.byteLength)`.
   */
  binaryFiles(paths: string | readonly string[], minPartitions?: number): RDD<readonly [string, Uint8Array]> {
    return this.#wholeFiles("binaryFiles", paths, "bytes", minPartitions);
  }

  /**
   * What `saveAsObjectFile` wrote, one partition a file. `path` is its directory, or files by glob.
   * E.g. `const saved = session.objectFile<readonly [string, number]>("out/counts")`.
   *
   * @param options.classes classes of the records, when they are class instances: CLASS_NOT_TRAVELLING without
   */
  objectFile<T>(
    path: string | readonly string[],
    options: { readonly classes?: readonly (new (...args: never[]) => unknown)[] } = {},
  ): RDD<T> {
    this.#open("objectFile");
    const urls = this.#urls("objectFile", path).map((url) => (/[*?[{]|part-\d+$/.test(url) ? url : `${url}/part-*`));
    const classes = (options.classes ?? []).map((type) => this.driver.values.carrierOf(type as never, "objectFile"));
    return this.#source("objectFile", { kind: "object", paths: urls, classes });
  }

  /** The records of all the RDDs, one RDD after the other. E.g. `const both = session.union([words, codes])`. */
  union<T>(rdds: readonly RDD<T>[]): RDD<T> {
    this.#open("union");
    if (!Array.isArray(rdds)) throw invalidArgument("union", "rdds", "an array of RDDs", rdds);
    const [first, ...others] = rdds as readonly RDD<T>[];
    if (first === undefined) return this.emptyRDD();
    if (!(first instanceof RDD)) throw invalidArgument("union", "rdds", "an array of RDDs", first);
    const at = new Operand(this.driver, first[datasetNode], "union", RddSession.prototype.union as AnyFunction);
    // Of one session, the first one included.
    at.other("rdds", first);
    return new RDD(this.driver, union(at, others));
  }

  /**
   * Where `rdd.checkpoint()` writes, in a directory of this session's own below `path`: a path or a file: URL, relative to
   * the working directory, made when it is needed. On several machines it has to be a shared one (OUTPUT_NOT_SHARED
   * otherwise). The option checkpoint.dir does the same. E.g. `session.setCheckpointDir("/shared/checkpoints")`.
   */
  setCheckpointDir(path: string): void {
    this.#open("setCheckpointDir");
    this.driver.setCheckpointDir(requireText("setCheckpointDir", "path", path));
  }

  /**
   * A value that many tasks share: sent once a worker instead of once a function. Read it with `.value`.
   *
   * ```ts
   * const names = session.broadcast(new Map([["SFO", "San Francisco"]]));
   * const named = codes.map((code) => names.value.get(code) ?? code);
   * ```
   */
  broadcast<T>(value: T): Broadcast<T> {
    return this.driver.shared.broadcast(value);
  }

  /**
   * A value that tasks add to and the driver reads; exact in actions, whatever is retried.
   *
   * ```ts
   * const seen = session.accumulator("seen", {
   *   zero: [] as string[],
   *   add: (all, one: string) => [...all, one],
   *   merge: (a, b) => [...a, ...b],
   * });
   * ```
   */
  accumulator<V, A = V>(name: string, definition: AccumulatorDefinition<V, A>): Accumulator<V, A> {
    return this.driver.shared.accumulator(name, definition);
  }

  /** An accumulator of whole numbers, exact up to 2^53. `add` throws RangeError for any other number. */
  longAccumulator(name: string): Accumulator<number, number> {
    return this.driver.shared.accumulator<number, number>(name, {
      zero: 0,
      add: (total, amount) => {
        if (!Number.isSafeInteger(amount)) throw new RangeError(`a long accumulator adds whole numbers, not ${amount}`);
        return total + amount;
      },
      merge: (left, right) => left + right,
      [sumsNumbers]: true,
    } as AccumulatorDefinition<number>);
  }

  /** An accumulator of numbers. */
  doubleAccumulator(name: string): Accumulator<number, number> {
    return this.driver.shared.accumulator<number, number>(name, {
      zero: 0,
      add: (total, amount) => total + amount,
      merge: (left, right) => left + right,
      [sumsNumbers]: true,
    } as AccumulatorDefinition<number>);
  }

  /**
   * Counts in tasks, shown by its name in `lastJob`, by `millrace status` and in the event log; a session has one of a name.
   *
   * ```ts
   * const bad = session.counter("bad lines");
   * await lines.foreach((line) => { if (!line.includes("\t")) bad.add(); });
   * ```
   */
  counter(name: string): CounterMetric {
    return this.driver.shared.metric(name, "counter") as CounterMetric;
  }

  /**
   * Times calls in tasks, in milliseconds. Else as `counter`.
   *
   * ```ts
   * const parsing = session.timer("parsing");
   * const parsed = lines.map((line) => parsing.time(() => JSON.parse(line)));
   * ```
   */
  timer(name: string): TimerMetric {
    return this.driver.shared.metric(name, "timer") as TimerMetric;
  }

  /**
   * The spread of a number in tasks. Else as `counter`.
   *
   * ```ts
   * const sizes = session.histogram("line lengths");
   * await lines.foreach((line) => sizes.record(line.length));
   * ```
   */
  histogram(name: string): HistogramMetric {
    return this.driver.shared.metric(name, "histogram") as HistogramMetric;
  }

  /**
   * Called with every job that ends, failed and cancelled ones too. Gives the function that removes the listener.
   * E.g. `const remove = session.onJobEnd(({ callSite, summary }) => console.log(callSite.method, summary?.elapsedMs))`.
   */
  onJobEnd(listener: (end: JobEnd) => void): () => void {
    return this.driver.jobEnds.add(listener);
  }

  /**
   * Called with the running stages a few times a second while jobs run. Gives the function that removes the listener.
   * E.g. `const end = session.onProgress((stages) => { for (const { name, done, tasks } of stages) console.log(name, done, tasks); })`.
   */
  onProgress(listener: (stages: readonly StageProgress[]) => void): () => void {
    return this.driver.progress.add(listener);
  }

  /**
   * Called with what tasks print. Without a listener it goes to this process's stderr as `[stage.partition] line`, at most
   * 1,000 lines a second. Gives the function that removes the listener.
   */
  onLog(listener: (log: TaskLog) => void): () => void {
    return this.driver.logSinks.add(listener);
  }

  /** Ends the session: running jobs fail with SESSION_STOPPED, the master forgets it, local workers end. May be called twice. */
  stop(): Promise<void> {
    return this.driver.stop();
  }

  /** `await using session = await Session.open(...)` stops it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** `Session s1-lq3x "counts"`: id and name. */
  override toString(): string {
    return `Session ${this.id} "${this.appName}"`;
  }

  [inspectByNode](): string {
    return this.toString();
  }

  #open(method: string): void {
    this.driver.requireOpen(method);
  }

  #slices(elements: number): number {
    return this.driver.defaultParallelism ?? Math.max(1, Math.min(DEFAULT_SLICES, elements));
  }

  #wholeFiles(
    method: "wholeTextFiles" | "binaryFiles",
    paths: string | readonly string[],
    content: "text" | "bytes",
    minPartitions: number | undefined,
  ): RDD<never> {
    this.#open(method);
    const urls = this.#urls(method, paths);
    const minimum = optionalPartitions(method, "minPartitions", minPartitions);
    return this.#source(method, { kind: "wholeFiles", paths: urls, content, minPartitions: minimum });
  }

  #source(method: keyof RddSession & string, source: Source): RDD<never> {
    const callSite = this.driver.callSite(method, RddSession.prototype[method as "parallelize"] as AnyFunction);
    const node: NodeHandle = this.driver.addNode({ kind: "source", source, callSite }, []);
    return new RDD<never>(this.driver, node);
  }

  #urls(method: string, paths: string | readonly string[]): string[] {
    const all: readonly unknown[] = Array.isArray(paths) ? paths : [paths];
    if (all.length === 0) throw invalidArgument(method, "paths", "at least one path", paths);
    return all.map((path) => toAbsoluteUrl(requireText(method, "paths", path), this.driver.workingDirectory));
  }
}

function requireFinite(method: string, argument: string, value: unknown): void {
  if (typeof value !== "number" || !Number.isFinite(value))
    throw invalidArgument(method, argument, "a finite number", value);
}
