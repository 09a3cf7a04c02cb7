// Everything that the API's classes share in one session: the link to the master, the lineage, jobs, captured functions,
// broadcast values and accumulators, and what listeners are told. The public Session (rdd/session.ts) adds sources to it.
//
//   opening --opened--> open --stop()--> stopped
//           --refused, timeout--> fails      open --link lost--> lost

import { inspect } from "node:util";
import { fromWireError, isMillraceError, MillraceError } from "../core/errors.js";
import { blobHash, type JobId, type SessionId } from "../core/ids.js";
import { type PoolDefinitions, parsePools } from "../core/scheduler-pools.js";
import type { NamedValue, UserMetricKind } from "../core/user-metrics.js";
import { toAbsoluteUrl } from "../emrfs/url.js";
import { cutSource } from "../plan/cut-lineage.js";
import type { CallSite, FunctionRef } from "../plan/function.js";
import type { HandleReference } from "../plan/handles.js";
import type { StorageLevel } from "../plan/lineage.js";
import type { JobSummary, JobTraits, MasterToDriver, SessionSettings, StageProgress } from "../protocol/driver.js";
import { Accumulator, type AccumulatorDefinition, sumsNumbers } from "./accumulator.js";
import { invalidArgument, requireSyncFunction, requireText } from "./arguments.js";
import { blobPieces, hashOf } from "./blobs.js";
import { Broadcast } from "./broadcast.js";
import { Checkpoints } from "./checkpoints.js";
import type { AnyFunction, FunctionCapture, SourcePositions } from "./function-capture.js";
import { type CancelCause, JobClient, type JobEnd, type JobRequest } from "./job-client.js";
import { captureCaller } from "./job-errors.js";
import { JobScopes } from "./job-scopes.js";
import { LineageStore, type NodeHandle, type NodeSpec, persistMessage } from "./lineage-store.js";
import { Listeners } from "./listeners.js";
import type { MasterLink } from "./master-link.js";
import { placementOf } from "./placement.js";
import type { PartitionResult, ResultPiece } from "./result-pieces.js";
import { tellSessionOpened } from "./session-hooks.js";
import { type TaskLog, TaskLogPrinter } from "./task-log.js";
import { type AnyMetric, newMetric } from "./user-metrics.js";
import { ValueEncoder } from "./value-encoder.js";

export interface SessionParts {
  readonly link: MasterLink;
  readonly capture: FunctionCapture;
  readonly positions: SourcePositions;
  readonly settings: SessionSettings;
  /** How long the master may take to answer `open`. */
  readonly openTimeoutMs: number;
}

/** Characters of an accumulator's value that are shown. */
const MAX_SHOWN = 500;

/** Counters of a session: `session.statistics`. */
export interface SessionStatistics {
  /** Jobs submitted so far. Transformations start none, an action one; takeSample, histogram by a number and checkpoints a further one. */
  readonly jobs: number;
}

interface CountQuestion {
  resolve(count: number): void;
  reject(error: Error): void;
}

export class DriverSession {
  readonly capture: FunctionCapture;
  readonly values: ValueEncoder;
  readonly scopes = new JobScopes();
  readonly jobEnds = new Listeners<JobEnd>();
  readonly progress = new Listeners<readonly StageProgress[]>();
  /** Hear what tasks print before it is printed. */
  readonly logs = new Listeners<TaskLog>();
  /** Take what tasks print, which is then not printed on stderr. */
  readonly logSinks = new Listeners<TaskLog>();
  readonly #parts: SessionParts;
  readonly #link: MasterLink;
  readonly #lineage: LineageStore;
  readonly #jobs: JobClient;
  readonly checkpoints: Checkpoints;
  readonly #printer = new TaskLogPrinter(
    (text) => process.stderr.write(text),
    () => performance.now(),
  );
  readonly #accumulators = new Map<number, Accumulator<unknown, unknown>>();
  readonly #metrics = new Map<number, AnyMetric>();
  readonly #metricsByName = new Map<string, AnyMetric>();
  /** Bundles of packages that the master has. */
  readonly #bundlesSent = new Set<string>();
  readonly #counts = new Map<number, CountQuestion>();
  readonly #ended: Promise<void>;
  #onEnded: () => void = () => undefined;
  #opening: { resolve(): void; reject(error: Error): void } | null = null;
  #opened: { readonly session: SessionId; readonly slots: number } | null = null;
  #stopping: Promise<void> | null = null;
  /** Why nothing can be asked any more. */
  #over: MillraceError | null = null;
  #lastSummary: JobSummary | null = null;
  #handles = 0;
  #requests = 0;

  private constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#link = parts.link;
    this.capture = parts.capture;
    this.values = new ValueEncoder(parts.capture);
    this.#ended = new Promise((resolve) => (this.#onEnded = resolve));
    this.#lineage = new LineageStore((nodes) => {
      if (this.#over === null) this.#link.send({ kind: "releaseNodes", nodes });
    });
    this.#jobs = new JobClient({
      send: (message) => this.#link.send(message),
      lineage: this.#lineage,
      mapStack: (stack) => parts.positions.mapStack(stack),
      accumulators: () => [...this.#accumulators.keys()],
      beforeSubmit: () => this.#sendBundles(),
      onEnd: (end) => this.#jobEnded(end),
    });
    this.checkpoints = new Checkpoints({
      run: (request) => this.#jobs.run({ ...request, traits: this.scopes.traits(null) }, () => () => undefined),
      persist: (handle, level) => this.persist(handle, level),
      cut: (handle, url) => this.#cut(handle, url),
    });
    const directory = parts.settings.options["checkpoint.dir"];
    if (typeof directory === "string") this.setCheckpointDir(directory);
    this.#link.onMessage((message) => this.#receive(message));
    this.#link.onClose((error) => this.#closed(error));
  }

  /** Throws what the master refused with, MASTER_LOST, or TIMEOUT. */
  static async open(parts: SessionParts): Promise<DriverSession> {
    const session = new DriverSession(parts);
    try {
      await session.#open();
    } catch (error) {
      session.#over ??= sessionStopped();
      await parts.link.close();
      throw error;
    }
    tellSessionOpened(session);
    return session;
  }

  get id(): SessionId {
    return this.#opened!.session;
  }

  get appName(): string {
    return this.#parts.settings.appName;
  }

  /** The driver's working directory when the session was opened: relative paths are taken from it. */
  get workingDirectory(): string {
    return this.#parts.settings.workingDirectory;
  }

  /** Partitions of parallelize and range that the option asks for; null: by the data. */
  get defaultParallelism(): number | null {
    const { defaultParallelism } = this.#parts.settings.options;
    return typeof defaultParallelism === "number" ? defaultParallelism : null;
  }

  /** Slots of the cluster when the session was opened. */
  get slots(): number {
    return this.#opened!.slots;
  }

  get statistics(): SessionStatistics {
    return { jobs: this.#jobs.started };
  }

  get lastJob(): JobSummary | null {
    return this.#lastSummary;
  }

  /** Resolves when the session is over, whoever ended it. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Throws SESSION_STOPPED or MASTER_LOST when the session is over. */
  requireOpen(method: string): void {
    const over = this.#over;
    if (over !== null)
      throw new MillraceError(over.code, `${method}: ${over.message}`, {
        fields: { ...over.fields, method },
        cause: over.cause,
      });
  }

  callSite(method: string, skipAbove: AnyFunction): CallSite {
    return this.#parts.positions.callSite(method, skipAbove);
  }

  callerStack(skipAbove: AnyFunction): () => string {
    return captureCaller(skipAbove, (stack) => this.#parts.positions.mapStack(stack));
  }

  captureFunction(fn: AnyFunction, method: string): FunctionRef {
    return this.capture.capture(fn, method);
  }

  addNode(spec: NodeSpec, parents: readonly NodeHandle[]): NodeHandle {
    return this.#lineage.add(spec, parents);
  }

  persist(handle: NodeHandle, level: StorageLevel): void {
    if (handle.storage === level) return;
    handle.storage = level;
    if (this.#over === null && this.#lineage.isSent(handle)) this.#link.send(persistMessage(handle));
  }

  /** The master shows the names of persisted nodes only. */
  rename(handle: NodeHandle, name: string): void {
    handle.name = name;
    const { storage } = handle;
    if (storage !== "NONE" && this.#over === null && this.#lineage.isSent(handle))
      this.#link.send(persistMessage(handle));
  }

  /** Relative paths are taken from the working directory. */
  setCheckpointDir(path: string): void {
    this.checkpoints.setDirectory(toAbsoluteUrl(path, this.workingDirectory));
  }

  run(request: JobRequest, begin: () => (result: PartitionResult) => void): Promise<void> {
    const pending = this.checkpoints.pending(request.root);
    if (pending.length === 0) return this.#jobs.run(request, begin);
    return this.#checkpointed(pending, request).then(() => this.#jobs.run(request, begin));
  }

  stream(request: JobRequest): AsyncGenerator<ResultPiece, void, void> {
    const pending = this.checkpoints.pending(request.root);
    return pending.length === 0 ? this.#jobs.stream(request) : this.#streamAfter(pending, request);
  }

  /** Cancels the jobs that run and are meant; gives how many. */
  cancelJobs(isMeant: (traits: JobTraits) => boolean, cause: CancelCause): number {
    return this.#jobs.cancelJobs(isMeant, cause);
  }

  definePools(pools: PoolDefinitions): void {
    const mode = this.#parts.settings.options["scheduler.mode"];
    if (mode !== "FAIR") {
      const text = "pools: jobs of this session run FIFO, where pools have no effect. Open it with scheduler.mode FAIR";
      throw new MillraceError("INVALID_ARGUMENT", text, { fields: { method: "pools", mode: String(mode ?? "FIFO") } });
    }
    this.#link.send({ kind: "pools", pools: checkedPools(pools) });
  }

  cancelAllJobs(why: string | null): number {
    return this.cancelJobs(() => true, { what: "all jobs of its session", fields: {}, why });
  }

  /** Partitions that the node will have; asks the master, which looks at files but starts no job. */
  countPartitions(handle: NodeHandle): Promise<number> {
    this.requireOpen("numPartitions");
    return this.#ask((request) => {
      const { nodes, persisted } = this.#lineage.takeUnsent(handle);
      for (const message of persisted) this.#link.send(message);
      this.#link.send({ kind: "countPartitions", request, nodes, node: handle.node.id });
    });
  }

  #ask(send: (request: number) => void): Promise<number> {
    const request = ++this.#requests;
    return new Promise((resolve, reject) => {
      this.#counts.set(request, { resolve, reject });
      send(request);
    });
  }

  broadcast<T>(value: T): Broadcast<T> {
    this.requireOpen("broadcast");
    const { bytes, classes } = this.values.value(value, "broadcast");
    const hash = hashOf(bytes);
    for (const piece of blobPieces(hash, bytes)) this.#link.send(piece);
    const reference: HandleReference = {
      kind: "broadcast",
      id: ++this.#handles,
      hash,
      sizeBytes: bytes.byteLength,
      classes,
    };
    return new Broadcast(value, reference, {
      release: (scope) => {
        if (this.#over === null) this.#link.send({ kind: "releaseBlob", hash, scope });
      },
    });
  }

  accumulator<V, A>(name: string, definition: AccumulatorDefinition<V, A>): Accumulator<V, A> {
    this.requireOpen("accumulator");
    requireText("accumulator", "name", name);
    if (typeof definition !== "object" || definition === null || !("zero" in definition)) {
      throw invalidArgument("accumulator", "definition", "an object { zero, add, merge }", definition);
    }
    requireSyncFunction("accumulator", "add", definition.add);
    requireSyncFunction("accumulator", "merge", definition.merge);
    const zero = this.values.value(definition.zero, "accumulator");
    const add = this.captureFunction(definition.add as AnyFunction, "accumulator");
    const reference = {
      kind: "accumulator",
      id: ++this.#handles,
      name,
      zero: zero.bytes,
      add,
      classes: zero.classes,
      ...(sumsNumbers in definition ? { sums: true as const } : {}),
    } as const;
    const made = new Accumulator<V, A>(name, definition, reference, () => this.values.decode(zero.bytes) as V);
    this.#accumulators.set(made.id, made as Accumulator<unknown, unknown>);
    return made;
  }

  /** The metric of that name; made when there is none. INVALID_ARGUMENT when it is one of another kind. */
  metric(name: string, metric: UserMetricKind): AnyMetric {
    this.requireOpen(metric);
    requireText(metric, "name", name);
    const known = this.#metricsByName.get(name);
    if (known !== undefined) {
      if (known.kind === metric) return known;
      throw invalidArgument(metric, "name", `of no ${known.kind} of this session`, name);
    }
    const made = newMetric({ kind: "metric", id: ++this.#handles, name, metric, classes: [] });
    this.#metricsByName.set(name, made);
    this.#metrics.set(made.id, made);
    return made;
  }

  /** Jobs still running fail with SESSION_STOPPED. Calling it again waits for the same end. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async *#streamAfter(pending: readonly NodeHandle[], request: JobRequest): AsyncGenerator<ResultPiece, void, void> {
    await this.#checkpointed(pending, request);
    yield* this.#jobs.stream(request);
  }

  async #checkpointed(pending: readonly NodeHandle[], { signal }: JobRequest): Promise<void> {
    try {
      await this.checkpoints.write(pending, signal);
    } catch (error) {
      // Whoever was aborted hears so from the job that is not started.
      if (signal?.aborted !== true) throw error;
    }
  }

  /** The node becomes what its kept records are; what it was made of is garbage when nobody else uses it. */
  async #cut(handle: NodeHandle, url: string | null): Promise<void> {
    this.requireOpen("checkpoint");
    const { id, callSite } = handle.node;
    await this.#ask((request) => this.#link.send({ kind: "cutLineage", request, node: id, url }));
    this.#jobs.keep(handle.parents);
    const placement = placementOf(handle);
    // The bounds of ranges go with the lineage (plan/cut-lineage.ts).
    handle.placement = placement?.kind === "range" ? null : placement;
    const source = cutSource(url, [], { partitions: 0, partitioner: null });
    handle.node = { kind: "source", id, callSite, source };
    handle.parents = [];
  }

  #sendBundles(): void {
    for (const [hash, bytes] of this.capture.bundles) {
      if (this.#bundlesSent.has(hash)) continue;
      this.#bundlesSent.add(hash);
      for (const piece of blobPieces(blobHash(hash), bytes)) this.#link.send(piece);
    }
  }

  async #open(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#opening = { resolve, reject };
        timer = setTimeout(() => reject(openTimeout(this.#parts.openTimeoutMs)), this.#parts.openTimeoutMs);
        this.#link.send({ kind: "open", settings: this.#parts.settings });
      });
    } finally {
      clearTimeout(timer);
      this.#opening = null;
    }
  }

  async #stop(): Promise<void> {
    const lost = this.#over !== null;
    this.#end(sessionStopped());
    if (!lost) this.#link.send({ kind: "close" });
    await this.#link.close();
    this.#onEnded();
  }

  #receive(message: MasterToDriver): void {
    switch (message.kind) {
      case "opened":
        this.#opened = { session: message.session, slots: message.slots };
        this.#opening?.resolve();
        return;
      case "refused":
        this.#opening?.reject(fromWireError(message.error));
        return;
      case "result":
      case "resultsRestarted":
      case "jobEnded":
        this.#jobs.onMessage(message);
        return;
      case "partitions": {
        const question = this.#counts.get(message.request);
        this.#counts.delete(message.request);
        if (message.error !== null) question?.reject(fromWireError(message.error));
        else if (message.count !== null) question?.resolve(message.count);
        return;
      }
      case "accumulators":
        this.#absorb(message);
        return;
      case "log":
        this.logs.tell(message);
        if (this.logSinks.empty) this.#printer.print(message);
        else this.logSinks.tell(message);
        return;
      case "progress":
        this.progress.tell(message.stages);
        return;
      case "closed":
        if (message.error !== null) this.#closed(fromWireError(message.error));
    }
  }

  #absorb(message: MasterToDriver & { kind: "accumulators" }): void {
    try {
      for (const { accumulator, value, numbers = [] } of message.updates) {
        const metric = this.#metrics.get(accumulator);
        if (metric !== undefined) metric.absorb(numbers);
        else this.#accumulators.get(accumulator)?.absorb(this.values.decode(value));
      }
    } catch (error) {
      this.#jobs.fail(message.job, error);
    }
  }

  #jobEnded(end: JobEnd): void {
    const told = end.summary === null ? end : { ...end, summary: this.#withValues(end.job, end.summary) };
    if (told.summary !== null) this.#lastSummary = told.summary;
    this.#printer.flush();
    this.jobEnds.tell(told);
  }

  /** A named accumulator with what it comes to now, in all jobs. */
  currentValue(value: NamedValue): NamedValue {
    const metric = this.#metrics.get(value.id);
    if (metric !== undefined) return metric.toNamedValue();
    const accumulator = this.#accumulators.get(value.id);
    if (accumulator === undefined) return value;
    const now = accumulator.value;
    return { ...value, value: value.kind === "sum" && typeof now === "number" ? now : shortText(now) };
  }

  /** Accumulators that a function of the program adds up have a value here alone: the master is told, for its event log. */
  #withValues(job: JobId, summary: JobSummary): JobSummary {
    const values = summary.accumulators.filter(({ kind }) => kind === "custom").map((one) => this.currentValue(one));
    if (values.length === 0) return summary;
    if (this.#over === null) this.#link.send({ kind: "accumulatorValues", job, values });
    const accumulators = summary.accumulators.map((one) => values.find(({ id }) => id === one.id) ?? one);
    return { ...summary, accumulators };
  }

  #closed(error: Error | null): void {
    if (this.#over === null) {
      const reason = error === null ? "the connection was closed" : error.message;
      this.#end(
        isMillraceError(error)
          ? error
          : new MillraceError("MASTER_LOST", `the connection to the master ended: ${reason}`, {
              cause: error ?? undefined,
            }),
      );
    }
    this.#opening?.reject(this.#over!);
    this.#onEnded();
  }

  #end(error: MillraceError): void {
    if (this.#over !== null) return;
    this.#over = error;
    this.#jobs.end(error);
    for (const question of this.#counts.values()) question.reject(error);
    this.#counts.clear();
    this.#printer.flush();
  }
}

function checkedPools(pools: unknown): PoolDefinitions {
  try {
    return parsePools(pools, "pools");
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    throw new MillraceError("INVALID_ARGUMENT", error.message, { fields: { ...error.fields, method: "pools" } });
  }
}

/** A value in a line. */
function shortText(value: unknown): string {
  const text = inspect(value, {
    depth: 2,
    breakLength: Number.POSITIVE_INFINITY,
    maxArrayLength: 20,
    maxStringLength: 200,
  });
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}...`;
}

function sessionStopped(): MillraceError {
  return new MillraceError("SESSION_STOPPED", "the session was stopped");
}

function openTimeout(ms: number): MillraceError {
  return new MillraceError("TIMEOUT", `the master did not open the session within ${ms} ms`, {
    fields: { timeoutMs: ms },
  });
}
