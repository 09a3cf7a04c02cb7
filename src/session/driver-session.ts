// Everything that the API's classes share in one session: the link to the master, the lineage, jobs, captured functions,
// broadcast values and accumulators, and what listeners are told. The public Session (rdd/session.ts) adds sources to it.

import { fromWireError, type MillraceError } from "../core/errors.js";
import { blobHash, type SessionId } from "../core/ids.js";
import type { PoolDefinitions } from "../core/scheduler-pools.js";
import type { NamedValue } from "../core/user-metrics.js";
import { toAbsoluteUrl } from "../emrfs/url.js";
import type { CallSite, FunctionRef } from "../plan/function.js";
import type { StorageLevel } from "../plan/lineage.js";
import type { JobSummary, JobTraits, MasterToDriver, SessionSettings, StageProgress } from "../protocol/driver.js";
import { blobPieces } from "./blobs.js";
import { Checkpoints } from "./checkpoints.js";
import type { AnyFunction, FunctionCapture, SourcePositions } from "./function-capture.js";
import { type CancelCause, JobClient, type JobEnd, type JobRequest } from "./job-client.js";
import { captureCaller } from "./job-errors.js";
import { JobScopes } from "./job-scopes.js";
import { LineageStore, type NodeHandle, type NodeSpec, persistMessage } from "./lineage-store.js";
import { Listeners } from "./listeners.js";
import type { MasterLink } from "./master-link.js";
import { MasterQuestions } from "./master-questions.js";
import { checkedPools } from "./pools.js";
import type { PartitionResult, ResultPiece } from "./result-pieces.js";
import { tellSessionOpened } from "./session-hooks.js";
import { SessionLifetime } from "./session-lifetime.js";
import { SharedValues } from "./shared-values.js";
import { type TaskLog, TaskLogPrinter } from "./task-log.js";
import { ValueEncoder } from "./value-encoder.js";

export interface SessionParts {
  readonly link: MasterLink;
  readonly capture: FunctionCapture;
  readonly positions: SourcePositions;
  readonly settings: SessionSettings;
  /** How long the master may take to answer `open`. */
  readonly openTimeoutMs: number;
}

/** Counters of a session: `session.statistics`. */
export interface SessionStatistics {
  /** Jobs submitted so far. Transformations start none, an action one; takeSample, histogram by a number and checkpoints a further one. */
  readonly jobs: number;
}

export class DriverSession {
  readonly capture: FunctionCapture;
  readonly values: ValueEncoder;
  readonly shared: SharedValues;
  readonly scopes = new JobScopes();
  readonly jobEnds = new Listeners<JobEnd>();
  readonly progress = new Listeners<readonly StageProgress[]>();
  /** Hear what tasks print before it is printed. */
  readonly logs = new Listeners<TaskLog>();
  /** Take what tasks print, which is then not printed on stderr. */
  readonly logSinks = new Listeners<TaskLog>();
  readonly #parts: SessionParts;
  readonly #link: MasterLink;
  readonly #life: SessionLifetime;
  readonly #lineage: LineageStore;
  readonly #jobs: JobClient;
  readonly checkpoints: Checkpoints;
  readonly #printer = new TaskLogPrinter(
    (text) => process.stderr.write(text),
    () => performance.now(),
  );
  /** Bundles of packages that the master has. */
  readonly #bundlesSent = new Set<string>();
  readonly #questions = new MasterQuestions();
  #lastSummary: JobSummary | null = null;

  private constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#link = parts.link;
    this.#life = new SessionLifetime(parts.link, (why) => this.#over(why));
    this.capture = parts.capture;
    this.values = new ValueEncoder(parts.capture);
    this.shared = new SharedValues({
      capture: parts.capture,
      values: this.values,
      requireOpen: (method) => this.#life.requireOpen(method),
      send: (message) => this.#life.tell(message),
    });
    this.#lineage = new LineageStore((nodes) => this.#life.tell({ kind: "releaseNodes", nodes }));
    this.#jobs = new JobClient({
      send: (message) => this.#link.send(message),
      lineage: this.#lineage,
      mapStack: (stack) => parts.positions.mapStack(stack),
      accumulators: () => this.shared.accumulatorIds,
      beforeSubmit: () => this.#sendBundles(),
      onEnd: (end) => this.#jobEnded(end),
    });
    this.checkpoints = new Checkpoints({
      run: (request) => this.#jobs.run({ ...request, traits: this.scopes.traits(null) }, () => () => undefined),
      persist: (handle, level) => this.persist(handle, level),
      cutLineage: (node, url) => {
        this.requireOpen("checkpoint");
        return this.#questions.ask((request) => this.#link.send({ kind: "cutLineage", request, node, url }));
      },
      keep: (parents) => this.#jobs.keep(parents),
    });
    const directory = parts.settings.options["checkpoint.dir"];
    if (typeof directory === "string") this.setCheckpointDir(directory);
    this.#link.onMessage((message) => this.#receive(message));
    this.#link.onClose((error) => this.#life.closed(error));
  }

  /** Throws what the master refused with, MASTER_LOST, or TIMEOUT. */
  static async open(parts: SessionParts): Promise<DriverSession> {
    const session = new DriverSession(parts);
    await session.#life.open(parts.settings, parts.openTimeoutMs);
    tellSessionOpened(session);
    return session;
  }

  get id(): SessionId {
    return this.#life.session;
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
    return this.#life.slots;
  }

  get statistics(): SessionStatistics {
    return { jobs: this.#jobs.started };
  }

  get lastJob(): JobSummary | null {
    return this.#lastSummary;
  }

  /** Resolves when the session is over, whoever ended it. */
  get ended(): Promise<void> {
    return this.#life.ended;
  }

  /** Throws SESSION_STOPPED or MASTER_LOST when the session is over. */
  requireOpen(method: string): void {
    this.#life.requireOpen(method);
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
    if (this.#lineage.isSent(handle)) this.#life.tell(persistMessage(handle));
  }

  /** The master shows the names of persisted nodes only. */
  rename(handle: NodeHandle, name: string): void {
    handle.name = name;
    if (handle.storage !== "NONE" && this.#lineage.isSent(handle)) this.#life.tell(persistMessage(handle));
  }

  /** Relative paths are taken from the working directory. */
  setCheckpointDir(path: string): void {
    this.checkpoints.setDirectory(toAbsoluteUrl(path, this.workingDirectory));
  }

  run(request: JobRequest, begin: () => (result: PartitionResult) => void): Promise<void> {
    const pending = this.checkpoints.pending(request.root);
    if (pending.length === 0) return this.#jobs.run(request, begin);
    return this.checkpoints.write(pending, request.signal).then(() => this.#jobs.run(request, begin));
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
    this.#link.send({ kind: "pools", pools: checkedPools(pools, mode) });
  }

  cancelAllJobs(why: string | null): number {
    return this.cancelJobs(() => true, { what: "all jobs of its session", fields: {}, why });
  }

  /** Partitions that the node will have; asks the master, which looks at files but starts no job. */
  countPartitions(handle: NodeHandle): Promise<number> {
    this.requireOpen("numPartitions");
    return this.#questions.ask((request) => {
      const { nodes, persisted } = this.#lineage.takeUnsent(handle);
      for (const message of persisted) this.#link.send(message);
      this.#link.send({ kind: "countPartitions", request, nodes, node: handle.node.id });
    });
  }

  /** Jobs still running fail with SESSION_STOPPED. Calling it again waits for the same end. */
  stop(): Promise<void> {
    return this.#life.stop();
  }

  async *#streamAfter(pending: readonly NodeHandle[], request: JobRequest): AsyncGenerator<ResultPiece, void, void> {
    await this.checkpoints.write(pending, request.signal);
    yield* this.#jobs.stream(request);
  }

  #sendBundles(): void {
    for (const [hash, bytes] of this.capture.bundles) {
      if (this.#bundlesSent.has(hash)) continue;
      this.#bundlesSent.add(hash);
      for (const piece of blobPieces(blobHash(hash), bytes)) this.#link.send(piece);
    }
  }

  #receive(message: MasterToDriver): void {
    switch (message.kind) {
      case "opened":
        this.#life.opened(message.session, message.slots);
        return;
      case "refused":
        this.#life.refused(message.error);
        return;
      case "result":
      case "resultsRestarted":
      case "jobEnded":
        this.#jobs.onMessage(message);
        return;
      case "partitions":
        this.#questions.answered(message);
        return;
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
        if (message.error !== null) this.#life.closed(fromWireError(message.error));
    }
  }

  #absorb({ job, updates }: MasterToDriver & { kind: "accumulators" }): void {
    try {
      this.shared.absorb(updates);
    } catch (error) {
      this.#jobs.fail(job, error);
    }
  }

  #jobEnded(end: JobEnd): void {
    const told = end.summary === null ? end : { ...end, summary: this.shared.complete(end.job, end.summary) };
    if (told.summary !== null) this.#lastSummary = told.summary;
    this.#printer.flush();
    this.jobEnds.tell(told);
  }

  /** A named accumulator with what it comes to now, in all jobs. */
  currentValue(value: NamedValue): NamedValue {
    return this.shared.currentValue(value);
  }

  #over(why: MillraceError): void {
    this.#jobs.end(why);
    this.#questions.end(why);
    this.#printer.flush();
  }
}
