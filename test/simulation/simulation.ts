// One seeded run: the real master machine, real attempt runners, a virtual clock, streams that delay, double and break, workers
// that crash. Three invariants: every answer equals the model's, no slot is leaked, every job ends within its bound.

import {
  type BlobHash,
  formatTaskKey,
  type JobId,
  jobId,
  type SessionId,
  sessionId,
  type TaskKey,
  type WorkerId,
} from "../../src/core/ids.js";
import { unpack } from "../../src/core/packed.js";
import { MasterMachine } from "../../src/master/core.js";
import type { MasterCommand, MasterEvent } from "../../src/master/events.js";
import { TICK_MS } from "../../src/master/events.js";
import { lowerJob } from "../../src/plan/lower.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import type { WorkerToMaster } from "../../src/protocol/worker.js";
import { VirtualClock } from "./clock.js";
import { FaultBudget } from "./faults.js";
import { modelOf } from "./model.js";
import { type Program, randomProgram, type SimulatedJob, site } from "./program.js";
import { Random } from "./random.js";
import type { Pair } from "./records.js";
import { SimulatedWorker } from "./worker.js";

export interface SimulationResult {
  readonly seed: number;
  readonly jobs: number;
  /** Empty: all invariants held. */
  readonly problems: readonly string[];
  readonly faults: readonly string[];
  readonly trace: readonly string[];
}

/** Virtual time by which every job must have ended, whatever the faults. */
const JOB_BOUND_MS = 120_000;
/** After the last job: slots get so long to be recycled or killed. */
const GRACE_MS = 15_000;
const TRACE_LINES = 4_000;

interface LiveJob {
  readonly session: SessionId;
  readonly id: JobId;
  readonly plan: SimulatedJob;
  readonly program: Program;
  readonly doomed: boolean;
  readonly results: Map<number, readonly Pair[]>;
  readonly updates: Set<string>;
  nextPartition: number;
  cancelled: boolean;
  ended: { readonly code: string | null } | null;
}

export class Simulation {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly faults: FaultBudget;
  readonly #machine = new MasterMachine();
  readonly #workers = new Map<WorkerId, SimulatedWorker>();
  readonly #fragments = new Map<BlobHash, Uint8Array>();
  readonly #jobs: LiveJob[] = [];
  readonly #problems: string[] = [];
  readonly #trace: string[] = [];
  readonly #down = new Map<WorkerId, number>();
  #scheduledJobs = 0;

  constructor(
    readonly seed: number,
    readonly tracing: boolean,
  ) {
    this.random = new Random(seed);
    this.faults = new FaultBudget(this.random);
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
      this.#runUntil(() => this.clock.now >= until || this.#leaks().length === 0, until + 1);
      this.#problems.push(...this.#leaks());
      for (const job of this.#jobs) this.#checkAnswer(job);
    } catch (error) {
      this.#problems.push((error as Error).stack ?? String(error));
    }
    const { seed } = this;
    return {
      seed,
      jobs: this.#jobs.length,
      problems: this.#problems,
      faults: this.faults.injected,
      trace: this.#trace,
    };
  }

  worker(id: WorkerId): SimulatedWorker | undefined {
    return this.#workers.get(id);
  }

  fragment(hash: BlobHash): Uint8Array {
    return this.#fragments.get(hash) as Uint8Array;
  }

  /** A doomed job fails at its result's first partition, every time. */
  isDoomed(key: TaskKey): boolean {
    const job = this.#jobOf(key.session, key.job);
    return job?.doomed === true && key.partition === 0;
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
        this.master({ kind: "heartbeat", ...from, running: message.running });
        return;
      case "statuses":
        this.master({ kind: "statuses", ...from, statuses: message.statuses });
        return;
      case "uncached":
        this.master({ kind: "uncached", ...from, session: message.session, partitions: message.partitions });
        return;
      default:
        return;
    }
  }

  master(event: MasterEvent): void {
    this.note(() => `master <- ${describe(event)}`);
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
    }
    const sessions = random.chance(0.3) ? 2 : 1;
    for (let i = 0; i < sessions; i++) this.#startSession(sessionId(`s${i}`));
    const tick = () => {
      this.master({ kind: "tick" });
      clock.after(TICK_MS, tick);
    };
    clock.after(TICK_MS, tick);
  }

  #startSession(session: SessionId): void {
    const program = randomProgram(this.random);
    const table = new ShuffleTable();
    this.master({ kind: "sessionOpened", session });
    program.jobs.forEach((plan, i) => {
      this.#scheduledJobs++;
      const doomed = this.random.chance(0.04);
      this.clock.after(plan.atMs, () => this.#submit(session, jobId(i + 1), plan, program, table, doomed));
    });
  }

  #submit(
    session: SessionId,
    id: JobId,
    plan: SimulatedJob,
    program: Program,
    table: ShuffleTable,
    doomed: boolean,
  ): void {
    const { nodes, splits, storage } = program;
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
    for (const stage of graph.stages) this.#fragments.set(stage.fragmentHash, stage.fragment);
    const job: LiveJob = {
      session,
      id,
      plan,
      program,
      doomed,
      results: new Map(),
      updates: new Set(),
      nextPartition: 0,
      cancelled: false,
      ended: null,
    };
    this.#jobs.push(job);
    this.master({ kind: "submitted", session, graph, savesFiles: false, maxResultBytes: null });
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
        this.#workers.get(command.worker)?.breakStream();
        return;
      case "deliver":
        this.#deliver(command);
        return;
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
        if (job.ended !== null) this.#problems.push(`${job.session}/${job.id} ended twice`);
        job.ended = { code: command.error?.code ?? null };
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
      case "abortOutput":
        return;
    }
  }

  #send(command: MasterCommand & { kind: "send" }): void {
    const worker = this.#workers.get(command.worker);
    if (worker === undefined || !worker.connected) return;
    const { epoch } = worker;
    const due = Math.max(this.#down.get(worker.id) ?? 0, this.clock.now + this.random.below(8));
    this.#down.set(worker.id, due);
    this.clock.after(due - this.clock.now, () => worker.receive(command.message, epoch));
  }

  #deliver(command: MasterCommand & { kind: "deliver" }): void {
    const { session, partition, key, result } = command;
    const job = this.#jobOf(session, command.job) as LiveJob;
    if (partition > job.nextPartition)
      this.#problems.push(`${session}/${job.id}: partition ${partition} came before ${job.nextPartition}`);
    job.nextPartition = Math.max(job.nextPartition, partition + 1);
    if (result.kind === "inline") {
      job.results.set(partition, unpack<Pair[]>(result.bytes));
      return;
    }
    this.clock.after(1 + this.random.below(40), () => {
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

  #checkAnswer(job: LiveJob): void {
    const name = `${job.session}/${job.id}`;
    const code = job.ended?.code ?? null;
    if (code === "JOB_CANCELLED" && job.cancelled) return;
    const model = modelOf(job.program.nodes, job.plan.root, job.program.splits);
    if (job.doomed && code === "JOB_FAILED") return;
    if (job.ended === null) return;
    if (code !== null) {
      this.#problems.push(`${name} ended with ${code}`);
      return;
    }
    const limit = job.plan.action.kind === "collect" ? job.plan.action.limit : null;
    const parts = [...job.results].sort(([a], [b]) => a - b).map(([, records]) => records);
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

function describe(event: MasterEvent): string {
  if (event.kind === "submitted")
    return `submitted ${event.graph.stages.map((stage) => `${stage.id}:${stage.kind}(${stage.parents})`).join(" ")}`;
  if (event.kind !== "statuses") return JSON.stringify(event);
  return `statuses of ${event.worker}: ${event.statuses
    .map((status) => `${formatTaskKey(status.key)} ${status.kind === "running" ? "running" : status.outcome.kind}`)
    .join(", ")}`;
}
