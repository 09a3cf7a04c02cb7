// One seeded run: the real master machine, real attempt runners, a virtual clock, streams that delay, double and break, workers
// that crash. Three invariants: every answer equals the model's, no slot is leaked, every job ends within its bound.

import {
  type BlobHash,
  formatTaskKey,
  type JobId,
  jobId,
  type NodeId,
  type SessionId,
  sessionId,
  stageId,
  type TaskKey,
  type WorkerId,
} from "../../src/core/ids.js";
import { unpack } from "../../src/core/packed.js";
import { BlobStore } from "../../src/master/blob-store.js";
import { MasterMachine } from "../../src/master/core.js";
import type { MasterCommand, MasterEvent } from "../../src/master/events.js";
import { TICK_MS } from "../../src/master/events.js";
import { type SessionPolicy, usualExclusion, usualSpeculation } from "../../src/master/job-scheduler/index.js";
import { defaultMasterOptions } from "../../src/master/options.js";
import { ValueBlobs } from "../../src/master/value-blobs.js";
import type { StorageLevel } from "../../src/plan/lineage.js";
import { lowerJob } from "../../src/plan/lower.js";
import { lineageOrder } from "../../src/plan/resolve.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import type { TaskLaunch, TaskStatus } from "../../src/protocol/tasks.js";
import type { WorkerToMaster } from "../../src/protocol/worker.js";
import { VirtualClock } from "./clock.js";
import { FaultBudget } from "./faults.js";
import { SimulatedFiles } from "./files.js";
import { modelOf } from "./model.js";
import { type DriverStep, type Program, randomProgram, type SimulatedJob, site } from "./program.js";
import { Random } from "./random.js";
import type { Pair } from "./records.js";
import { Versions } from "./versions.js";
import { SimulatedWorker } from "./worker.js";

export interface SimulationResult {
  readonly seed: number;
  readonly jobs: number;
  /** Empty: all invariants held. */
  readonly problems: readonly string[];
  readonly faults: readonly string[];
  /** Attempts that were launched beside another one. */
  readonly copies: number;
  /** Times that a worker was excluded for a stage, a session or all. */
  readonly exclusions: number;
  readonly trace: readonly string[];
}

/** Virtual time by which every job must have ended, whatever the faults. */
const JOB_BOUND_MS = 300_000;
/** After the last job: slots get so long to be recycled or killed, workers to come back. */
const GRACE_MS = 60_000;
const TRACE_LINES = 4_000;
/** Enough for whatever a worker runs and holds. */
const CALM_TIMEOUT_MS = 30_000;

interface LiveJob {
  readonly session: SessionId;
  readonly id: JobId;
  readonly plan: SimulatedJob;
  readonly program: Program;
  readonly doomed: boolean;
  readonly results: Map<number, readonly Pair[]>;
  readonly updates: Set<string>;
  /** The attempts that gave the results, by partition. */
  readonly contributors: Map<number, TaskKey>;
  nextPartition: number;
  /** How often the results started over. */
  round: number;
  /** A fault: the file system refuses the commit. */
  commitFails: boolean;
  cancelled: boolean;
  ended: { readonly code: string | null } | null;
}

const SKEW = { enabled: true, factor: 1, thresholdBytes: 3 };

interface SimulatedDriver {
  readonly session: SessionId;
  readonly program: Program;
  readonly table: ShuffleTable;
  /** What is persisted now. */
  readonly storage: Map<NodeId, StorageLevel>;
}

export class Simulation {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly faults: FaultBudget;
  readonly files: SimulatedFiles;
  readonly versions = new Versions();
  /** Its threshold is so low that joins are divided. */
  readonly #machine = new MasterMachine({
    ...defaultMasterOptions,
    jobs: { ...defaultMasterOptions.jobs, skew: SKEW },
  });
  readonly #workers = new Map<WorkerId, SimulatedWorker>();
  readonly #blobs = new BlobStore();
  /** Values of more than a few bytes are blobs here, so that they occur. */
  readonly #values = new ValueBlobs(this.#blobs, 24);
  readonly #closed = new Set<SessionId>();
  /** Of each task the attempts that may still count, and where: the latest, and the one that it was launched beside. */
  readonly #live = new Map<string, Map<number, WorkerId | "done">>();
  readonly #jobs: LiveJob[] = [];
  readonly #problems: string[] = [];
  readonly #trace: string[] = [];
  readonly #down = new Map<WorkerId, number>();
  readonly #sessions: SessionId[] = [];
  /** Workers that were let go, and with how much time. */
  readonly #decommissioned: string[] = [];
  readonly #made = new Set<string>();
  readonly #again: string[] = [];
  #failedAttempts = 0;
  #scheduledJobs = 0;
  /** Attempts that were launched beside another one. */
  copies = 0;
  /** Times that a worker was excluded for a stage, a session or all. */
  exclusions = 0;
  #salt = 0;

  constructor(
    readonly seed: number,
    readonly tracing: boolean,
  ) {
    this.random = new Random(seed);
    this.faults = new FaultBudget(this.random);
    this.files = new SimulatedFiles(this.clock, this.random);
  }

  run(): SimulationResult {
    try {
      this.#start();
      this.#runUntil(
        () => this.#jobs.length === this.#scheduledJobs && this.#jobs.every((job) => job.ended !== null),
        JOB_BOUND_MS,
      );
      for (const job of this.#jobs) if (job.ended === null) this.#problems.push(`${job.session}/${job.id} did not end`);
      const until = this.clock.now + GRACE_MS;
      this.#runUntil(() => this.#leaks().length === 0, until);
      this.#problems.push(...this.#leaks());
      for (const session of this.#sessions) this.#close(session);
      const later = this.clock.now + GRACE_MS;
      this.#runUntil(() => this.#leftovers().length === 0, later);
      this.#problems.push(...this.#leftovers());
      for (const job of this.#jobs) this.#checkAnswer(job);
      this.#checkCalm();
    } catch (error) {
      this.#problems.push((error as Error).stack ?? String(error));
    }
    const { seed } = this;
    return {
      seed,
      jobs: this.#jobs.length,
      problems: this.#problems,
      faults: this.faults.injected,
      copies: this.copies,
      exclusions: this.exclusions,
      trace: this.#trace,
    };
  }

  worker(id: WorkerId): SimulatedWorker | undefined {
    return this.#workers.get(id);
  }

  blob(hash: BlobHash): Uint8Array | undefined {
    return this.#blobs.get(hash);
  }

  /** A doomed job fails at its result's first partition, every time. */
  isDoomed(key: TaskKey): boolean {
    const job = this.#jobOf(key.session, key.job);
    return job?.doomed === true && key.partition === 0;
  }

  /** Functions give other records each time they run. Answers need not equal the model then, but must be of one version. */
  get #isUnsteady(): boolean {
    return this.seed % 3 === 0;
  }

  /** What every second map gives in an unsteady run. */
  perturb(session: SessionId, node: NodeId, records: readonly Pair[]): readonly Pair[] {
    if (!this.#isUnsteady || (node + session.length) % 2 === 0) return records;
    const salt = ++this.#salt;
    return records.map(([k, v]) => [(k + salt) % 23, (v + salt) % 10007]);
  }

  /** The worker has been silent for longer than the master waits. */
  checkGivenUp(id: WorkerId): void {
    if (this.#machine.workers.some((record) => record.id === id))
      this.#problems.push(`the master still counts on ${id}, which is silent for too long`);
  }

  isOpen(session: SessionId): boolean {
    return !this.#closed.has(session);
  }

  /** A map output was written: in a calm run nothing is computed a second time, whoever leaves. */
  computed(name: string): void {
    if (!this.#made.has(name)) this.#made.add(name);
    else this.#again.push(name);
  }

  note(line: () => string): void {
    if (!this.tracing) return;
    this.#trace.push(`${this.clock.now} ${line()}`);
    if (this.#trace.length > TRACE_LINES) this.#trace.shift();
  }

  fromWorker(worker: SimulatedWorker, message: WorkerToMaster, incarnation: number): void {
    const from = { worker: worker.id, incarnation };
    switch (message.kind) {
      case "register":
        this.master({ kind: "workerRegistered", registration: message.registration });
        return;
      case "heartbeat":
        this.master({ kind: "heartbeat", ...from, running: message.running, records: message.records });
        return;
      case "statuses":
        this.master({ kind: "statuses", ...from, statuses: message.statuses });
        return;
      case "uncached":
        this.master({ kind: "uncached", ...from, session: message.session, partitions: message.partitions });
        return;
      case "offer":
        this.master({ kind: "offered", ...from, outputs: message.outputs });
        return;
      case "leaving":
        this.master({ kind: "workerLeaving", ...from, reason: message.reason });
        return;
      case "decommission": {
        const { reason, timeoutMs } = message;
        this.master({ kind: "workerDecommissions", ...from, reason, timeoutMs });
        return;
      }
      case "adopted":
        this.master({ kind: "adopted", ...from, from: message.from, outcomes: message.outcomes });
        return;
      case "logs":
        return;
    }
  }

  master(event: MasterEvent): void {
    this.note(() => `master <- ${describe(event)}`);
    if (event.kind === "statuses") for (const status of event.statuses) this.#ended(status);
    const commands = this.#machine.handle(event, this.clock.now);
    for (const command of commands) this.#do(command);
    for (const problem of this.#machine.validate()) throw new Error(`after ${describe(event)}: ${problem}`);
  }

  #start(): void {
    const { random, clock } = this;
    const workers = 1 + random.below(4);
    for (let i = 0; i < workers; i++) {
      const worker = new SimulatedWorker(`w${i}`, 1 + random.below(3), `n${random.below(workers)}`, this);
      this.#workers.set(worker.id, worker);
      if (random.chance(0.08)) clock.after(random.below(800), () => worker.leave());
    }
    this.#planDecommissions();
    const sessions = random.chance(0.3) ? 2 : 1;
    for (let i = 0; i < sessions; i++) this.#startSession(sessionId(`s${i}`));
    const tick = () => {
      this.master({ kind: "tick" });
      clock.after(TICK_MS, tick);
    };
    clock.after(TICK_MS, tick);
  }

  /** By numbers of its own: every other choice of the seed stays what it is. One worker always stays. */
  #planDecommissions(): void {
    const random = new Random(this.seed ^ 0x5bd1e995);
    for (const worker of [...this.#workers.values()].slice(1)) {
      if (!random.chance(0.3)) continue;
      const [atMs, timeoutMs] = [random.below(900), random.chance(0.2) ? random.below(200) : CALM_TIMEOUT_MS];
      this.#decommissioned.push(`${worker.name} is let go at ${atMs} within ${timeoutMs}`);
      if (timeoutMs < CALM_TIMEOUT_MS) this.faults.injected.push(`${worker.name} is let go in a hurry`);
      if (random.chance(0.5)) this.clock.after(atMs, () => worker.decommission(timeoutMs));
      else {
        this.clock.after(atMs, () =>
          this.master({ kind: "decommissionAsked", worker: worker.id, reason: "simulated", timeoutMs }),
        );
      }
    }
  }

  /** Workers that leave in order cost nothing: no map output is written twice, no attempt fails. */
  #checkCalm(): void {
    const calm = this.faults.injected.length === 0 && this.#jobs.every((job) => !job.doomed && !job.cancelled);
    if (!calm || this.#decommissioned.length === 0 || this.#problems.length > 0) return;
    const what = this.#decommissioned.join(", ");
    // A second attempt beside a slow one computes again on purpose.
    if (this.#again.length > 0 && this.copies === 0)
      this.#problems.push(`${what}: ${this.#again.join(", ")} were computed again`);
    if (this.#failedAttempts > 0) this.#problems.push(`${what}: ${this.#failedAttempts} attempts failed`);
  }

  #startSession(session: SessionId): void {
    const program = randomProgram(this.random);
    const driver: SimulatedDriver = { session, program, table: new ShuffleTable(), storage: new Map(program.storage) };
    this.#sessions.push(session);
    this.master({ kind: "sessionOpened", session, policy: this.#policy() });
    program.jobs.forEach((plan, i) => {
      this.#scheduledJobs++;
      const doomed = this.random.chance(0.04);
      this.clock.after(plan.atMs, () => {
        if (this.#closed.has(session)) this.#scheduledJobs--;
        else this.#submit(driver, jobId(i + 1), plan, doomed);
      });
    });
    for (const step of program.steps) this.clock.after(step.atMs, () => this.#step(driver, step));
  }

  /** With slow tasks that are few beside a stage's others nothing would ever be launched twice: here half is enough. */
  #policy(): SessionPolicy & { readonly localityWaitMs: number } {
    const eager = { ...usualSpeculation, quantile: 0.5, multiplier: 1.5, minTaskRuntimeMs: 20 };
    return {
      ...defaultMasterOptions.jobs,
      localityWaitMs: defaultMasterOptions.assigner.localityWaitMs,
      speculation: this.random.chance(0.5) ? eager : null,
      exclusion: this.random.chance(0.7) ? usualExclusion : null,
    };
  }

  #step({ session, program, table, storage }: SimulatedDriver, { kind, atMs }: DriverStep): void {
    if (this.#closed.has(session)) return;
    if (kind === "close") {
      this.#close(session);
      return;
    }
    const unpersist = (node: NodeId) => {
      if (storage.delete(node)) this.master({ kind: "unpersisted", session, node });
    };
    if (kind === "unpersist") {
      const node = [...storage.keys()][0];
      if (node !== undefined) unpersist(node);
      return;
    }
    // The driver lets go of every node that no later job names; earlier jobs may still run on them.
    const named = new Set(
      program.jobs
        .filter((job) => job.atMs >= atMs)
        .flatMap((job) => lineageOrder(program.nodes, job.root).map((node) => node.id)),
    );
    const released = [...program.nodes.keys()].filter((node) => !named.has(node));
    for (const node of released) unpersist(node);
    const shuffles = table.release(released);
    if (shuffles.length > 0) this.master({ kind: "shufflesReleased", session, shuffles });
  }

  #close(session: SessionId): void {
    if (this.#closed.has(session)) return;
    this.#closed.add(session);
    for (const job of this.#jobs) if (job.session === session && job.ended === null) job.cancelled = true;
    const error = { code: "JOB_CANCELLED", message: "the session was closed", fields: {} } as const;
    this.master({ kind: "sessionClosed", session, error });
    const hashes = this.#blobs.release(session);
    if (hashes.length > 0) this.master({ kind: "blobsReleased", hashes });
  }

  #submit({ session, program, table, storage }: SimulatedDriver, id: JobId, plan: SimulatedJob, doomed: boolean): void {
    const { nodes, splits } = program;
    const graph = lowerJob({
      job: id,
      nodes,
      root: plan.root,
      action: plan.action,
      callSite: site,
      resolvedSources: splits,
      storage,
      accumulators: [1],
      table,
    });
    for (const stage of graph.stages) this.#blobs.put(session, stage.fragmentHash, stage.fragment);
    const savesFiles = plan.action.kind === "saveAsTextFile";
    if (savesFiles) this.files.prepare(session, id);
    const job: LiveJob = {
      session,
      id,
      plan,
      program,
      doomed,
      results: new Map(),
      updates: new Set(),
      contributors: new Map(),
      nextPartition: 0,
      round: 0,
      commitFails: false,
      cancelled: false,
      ended: null,
    };
    this.#jobs.push(job);
    this.master({ kind: "submitted", session, graph, savesFiles, maxResultBytes: null });
    if (plan.cancelAtMs === null) return;
    this.clock.after(plan.cancelAtMs - plan.atMs, () => {
      if (job.ended !== null) return;
      job.cancelled = true;
      this.master({ kind: "jobCancelled", session, job: id, reason: "simulated" });
    });
  }

  #do(command: MasterCommand): void {
    switch (command.kind) {
      case "send":
        this.#send(command);
        return;
      case "dropWorker":
        for (const live of this.#live.values())
          for (const [attempt, where] of live) if (where === command.worker) live.delete(attempt);
        this.#workers.get(command.worker)?.breakStream();
        return;
      case "deliver":
        this.#deliver(command);
        return;
      case "restartResults": {
        const job = this.#jobOf(command.session, command.job) as LiveJob;
        job.results.clear();
        job.contributors.clear();
        this.faults.injected.push(`the results of ${job.session}/${job.id} start over`);
        job.nextPartition = 0;
        job.round++;
        return;
      }
      case "accumulators":
        for (const { value } of command.updates) {
          const job = this.#jobOf(command.session, command.job);
          const name = value.join("/");
          if (job?.updates.has(name))
            this.#problems.push(`${job.session}/${job.id}: updates of ${name} were delivered twice`);
          job?.updates.add(name);
        }
        return;
      case "jobEnded": {
        const job = this.#jobOf(command.session, command.job) as LiveJob;
        this.#releaseValues(job);
        if (job.ended !== null) this.#problems.push(`${job.session}/${job.id} ended twice`);
        job.ended = { code: command.error?.code ?? null };
        this.#failedAttempts += command.summary.failedAttempts;
        this.note(() => `${job.session}/${job.id} ended: ${command.error?.message ?? "well"}`);
        return;
      }
      case "fetchValue":
        this.clock.after(5, () => {
          const bytes = this.#workers.get(command.worker)?.resultBlock(command.key) ?? null;
          this.master({ kind: "valueFetched", key: command.key, bytes });
        });
        return;
      case "commitOutput":
        this.#commit(command);
        return;
      case "abortOutput":
        this.files.abort(command.session, command.job);
        return;
      case "workerExcluded":
        this.exclusions++;
        return;
    }
  }

  #commit({ session, job, files }: MasterCommand & { kind: "commitOutput" }): void {
    const live = this.#jobOf(session, job) as LiveJob;
    for (const { pending } of files) {
      const [stage, partition, attempt] = pending.split("-").map(Number) as [number, number, number];
      const key = { session, job, stage: stageId(stage), partition, attempt };
      this.#checkLive(key);
      live.contributors.set(partition, key);
    }
    live.commitFails = this.faults.free(0.04, `commit of ${session}/${job} fails`);
    this.files.commit(session, job, files, live.commitFails, (problem) => {
      if (problem !== null) this.#problems.push(`${session}/${job} ${problem}`);
      const error = { code: "IO_ERROR", message: "simulated", fields: {} } as const;
      this.master({ kind: "outputCommitted", session, job, error: live.commitFails ? error : null });
    });
  }

  #releaseValues({ session, id }: LiveJob): void {
    const hashes = this.#values.release(session, id);
    if (hashes.length > 0) this.clock.after(0, () => this.master({ kind: "blobsReleased", hashes }));
  }

  /** What counts is the work of an attempt that was not given up. */
  #checkLive(key: TaskKey): void {
    const live = this.#live.get(taskName(key));
    if (live?.has(key.attempt)) return;
    this.#problems.push(`${formatTaskKey(key)} was taken, but those that may count are ${[...(live?.keys() ?? [])]}`);
  }

  #launched({ key, speculative }: TaskLaunch, worker: WorkerId): void {
    const name = taskName(key);
    const live = speculative === true ? this.#live.get(name) : undefined;
    this.#live.set(name, new Map([...(live ?? []), [key.attempt, worker]]));
    if (speculative === true) this.copies++;
  }

  #ended(status: TaskStatus): void {
    const live = this.#live.get(taskName(status.key));
    if (status.kind === "running" || !live?.has(status.key.attempt)) return;
    // What it made outlives its worker: a part file, a small result.
    if (status.outcome.kind === "succeeded") live.set(status.key.attempt, "done");
    else if (live.get(status.key.attempt) !== "done") live.delete(status.key.attempt);
  }

  #send(command: MasterCommand & { kind: "send" }): void {
    const worker = this.#workers.get(command.worker);
    if (command.message.kind === "launch") {
      for (const launch of command.message.launches) this.#launched(launch, command.worker);
    }
    const message = this.#values.lighten(command.message);
    if (worker === undefined || !worker.connected) return;
    const { epoch } = worker;
    const due = Math.max(this.#down.get(worker.id) ?? 0, this.clock.now + this.random.below(8));
    this.#down.set(worker.id, due);
    this.clock.after(due - this.clock.now, () => worker.receive(message, epoch));
  }

  #deliver(command: MasterCommand & { kind: "deliver" }): void {
    const { session, partition, key, result } = command;
    const job = this.#jobOf(session, command.job) as LiveJob;
    this.#checkLive(key);
    job.contributors.set(partition, key);
    if (partition > job.nextPartition)
      this.#problems.push(`${session}/${job.id}: partition ${partition} came before ${job.nextPartition}`);
    job.nextPartition = Math.max(job.nextPartition, partition + 1);
    if (result.kind === "inline") {
      job.results.set(partition, unpack<Pair[]>(result.bytes));
      return;
    }
    const { round } = job;
    this.clock.after(1 + this.random.below(40), () => {
      if (round !== job.round) return;
      const bytes = this.#workers.get(command.worker)?.resultBlock(key) ?? null;
      if (bytes === null) return this.master({ kind: "resultLost", session, job: job.id, partition });
      job.results.set(partition, unpack<Pair[]>(bytes));
      this.master({ kind: "resultDelivered", session, job: job.id, partition });
    });
  }

  #runUntil(done: () => boolean, boundMs: number): void {
    while (!done() && this.clock.now < boundMs && this.#problems.length === 0) this.clock.step();
  }

  #leaks(): string[] {
    const leaks = [...this.#workers.values()].flatMap((worker) =>
      worker.alive ? worker.leaks() : [`${worker.name} is down`],
    );
    for (const record of this.#machine.workers) {
      for (const name of record.attempts.keys()) leaks.push(`the master counts ${name} on ${record.id}`);
    }
    return leaks;
  }

  /** With every session closed, nothing of them may be anywhere. */
  #leftovers(): string[] {
    const left = [...this.#workers.values()].flatMap((worker) => (worker.alive ? worker.leftovers() : ["is down"]));
    return [...left, ...this.#leaks(), ...this.files.leftovers()];
  }

  #checkAnswer(job: LiveJob): void {
    const name = `${job.session}/${job.id}`;
    const code = job.ended?.code ?? null;
    const saves = job.plan.action.kind === "saveAsTextFile";
    const visible = this.files.visible(job.session, job.id);
    if (code !== null && visible.size > 0) this.#problems.push(`${name} ended with ${code} and left its output`);
    if (code === "IO_ERROR" && job.commitFails) return;
    if (code === "JOB_CANCELLED" && job.cancelled) return;
    if (this.#isUnsteady && code === "INDETERMINATE_RESULT") return;
    const model = modelOf(job.program.nodes, job.plan.root, job.program.splits);
    if (job.doomed && code === "JOB_FAILED") return;
    if (job.ended === null) return;
    if (code !== null) {
      this.#problems.push(`${name} ended with ${code}`);
      return;
    }
    this.#problems.push(...this.versions.mixed(job.contributors.values()).map((problem) => `${name}: ${problem}`));
    if (this.#isUnsteady) return;
    const limit = job.plan.action.kind === "collect" ? job.plan.action.limit : null;
    const parts = [...(saves ? visible : job.results)].sort(([a], [b]) => a - b).map(([, records]) => records);
    const wanted = limit === null ? model : [model.flat().slice(0, limit)];
    const given = limit === null ? parts : [parts.flat().slice(0, limit)];
    if (JSON.stringify(wanted) !== JSON.stringify(given)) {
      this.#problems.push(`${name} gave ${JSON.stringify(given)}, the model ${JSON.stringify(wanted)}`);
    }
  }

  #jobOf(session: SessionId, id: JobId): LiveJob | undefined {
    return this.#jobs.find((job) => job.session === session && job.id === id);
  }
}

function taskName({ session, job, stage, partition }: TaskKey): string {
  return `${session}/${job}/${stage}/${partition}`;
}

function describe(event: MasterEvent): string {
  if (event.kind === "submitted")
    return `submitted ${event.graph.stages.map((stage) => `${stage.id}:${stage.kind}(${stage.parents})`).join(" ")}`;
  if (event.kind !== "statuses") return JSON.stringify(event);
  return `statuses of ${event.worker}: ${event.statuses
    .map((status) => `${formatTaskKey(status.key)} ${status.kind === "running" ? "running" : status.outcome.kind}`)
    .join(", ")}`;
}
