// One simulated driver: speaks the driver's protocol to the real master shell: opens a session, submits its program's jobs,
// takes results and acknowledges them at its own pace, says that it is there, and may die, fall silent or lose its connection.

import { decodeStream, decodeValue } from "../../../src/codec/stream.js";
import { noClasses } from "../../../src/core/class-registry.js";
import { type JobId, jobId, type NodeId, type SessionId } from "../../../src/core/ids.js";
import { version } from "../../../src/core/version.js";
import { lineageOrder } from "../../../src/plan/resolve.js";
import type { DriverToMaster, MasterToDriver } from "../../../src/protocol/driver.js";
import { decodeMasterToDriver, encodeDriverMessage } from "../../../src/rpc/codecs/index.js";
import type { Connection } from "../../../src/rpc/connection.js";
import { site } from "../program/functions.js";
import type { Program, SimulatedJob } from "../program/program.js";
import type { SimulatedNode } from "../world/node.js";

export interface DriverJob {
  readonly id: JobId;
  readonly plan: SimulatedJob;
  /** Whether its functions fail every time. */
  readonly doomed: boolean;
  readonly results: Map<number, readonly unknown[]>;
  readonly updates: Set<string>;
  readonly submittedMs: number;
  pieces: Uint8Array[];
  nextPartition: number;
  /** How often the results started over. */
  round: number;
  cancelled: boolean;
  ended: {
    readonly code: string | null;
    readonly message: string;
    readonly atMs: number;
    readonly failedAttempts: number;
  } | null;
}

export interface DriverWorld {
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** Takes so long to take a piece of a result. */
  thinkMs(): number;
  isDoomed(): boolean;
  /** Names that jobs may give as their pools, one that nobody has defined and none besides. */
  readonly pools: readonly string[];
  broken(name: string, problem: string): void;
  note(line: () => string): void;
}

const HEARTBEAT_MS = 2_000;

export class SimulatedDriver {
  readonly jobs: DriverJob[] = [];
  session: SessionId | null = null;
  /** How the session ended, as the driver knows: closed by it, or lost. */
  over: "no" | "closed" | "lost" | "dead" = "no";
  /** Steps that have not been taken yet. */
  stepsLeft: number;
  #connection: Connection | null = null;
  readonly #sent = new Set<NodeId>();
  readonly #storage: Set<NodeId>;

  constructor(
    readonly node: SimulatedNode,
    readonly program: Program,
    private readonly world: DriverWorld,
  ) {
    this.#storage = new Set(program.storage.keys());
    this.stepsLeft = program.jobs.length;
  }

  /** A job that its driver has cancelled is over for it at once (src/session/job-client.ts). */
  get isDone(): boolean {
    return (
      this.stepsLeft === 0 && (this.over !== "no" || this.jobs.every((job) => job.ended !== null || job.cancelled))
    );
  }

  /** Speaks over this connection; its program begins when the session is open. */
  attach(connection: Connection): void {
    this.#connection = connection;
    connection.onMessage((bytes) => this.#receive(decodeMasterToDriver(bytes)));
    connection.onClose(() => {
      if (this.over === "no") this.over = "lost";
      this.stepsLeft = 0;
    });
    const settings = { appName: "simulated", options: this.world.options, workingDirectory: "/", version };
    this.#send({ kind: "open", settings });
    this.node.timer(() => this.#send({ kind: "heartbeat" }), HEARTBEAT_MS, true);
  }

  close(): void {
    if (this.over !== "no") return;
    this.over = "closed";
    this.stepsLeft = 0;
    this.node.step(this.node.life, () => this.#send({ kind: "close" }));
  }

  die(): void {
    if (this.over === "no") this.over = "dead";
    this.stepsLeft = 0;
    this.node.end();
  }

  #begin(session: SessionId): void {
    this.session = session;
    const { jobs, steps } = this.program;
    jobs.forEach((plan, i) => {
      this.node.after(plan.atMs, () => {
        if (this.over !== "no") return;
        this.stepsLeft--;
        this.#submit(jobId(i + 1), plan);
      });
    });
    for (const step of steps) {
      this.node.after(step.atMs, () => {
        if (this.over !== "no") return;
        if (step.kind === "close") this.close();
        else if (step.kind === "unpersist") this.#unpersist();
        else this.#release(step.atMs);
      });
    }
  }

  #submit(id: JobId, plan: SimulatedJob): void {
    const { nodes, storage } = this.program;
    const fresh = lineageOrder(nodes, plan.root).filter((node) => !this.#sent.has(node.id));
    for (const node of fresh) {
      this.#sent.add(node.id);
      const level = storage.get(node.id);
      if (level !== undefined && this.#storage.has(node.id)) this.#send({ kind: "persist", node: node.id, level });
    }
    this.jobs.push({
      id,
      plan,
      doomed: this.world.isDoomed(),
      results: new Map(),
      updates: new Set(),
      submittedMs: this.node.clock.now,
      pieces: [],
      nextPartition: 0,
      round: 0,
      cancelled: false,
      ended: null,
    });
    const { root, action } = plan;
    const names = [...this.world.pools, "undefined", null];
    // By the job's place: jobs of one program are in several pools, and nothing else of a run changes.
    const pool = names[id % names.length] ?? null;
    const traits = pool === null ? {} : { traits: { pool, group: "all", tags: [pool] } };
    this.#send({ kind: "submit", job: id, nodes: fresh, root, action, callSite: site, accumulators: [1], ...traits });
    // What a pool is worth changes while its jobs run.
    if (id % 2 === 0 && pool !== null) this.#send({ kind: "pools", pools: { [pool]: { weight: id, minShare: 1 } } });
    if (plan.cancelAfterMs !== null) this.node.after(plan.cancelAfterMs, () => this.#cancel(id));
  }

  #cancel(id: JobId): void {
    const job = this.#job(id);
    if (job.ended !== null || this.over !== "no") return;
    job.cancelled = true;
    this.#send({ kind: "cancel", job: id, reason: "simulated" });
  }

  #unpersist(): void {
    const [node] = this.#storage;
    if (node === undefined) return;
    this.#storage.delete(node);
    this.#send({ kind: "persist", node, level: "NONE" });
  }

  /** The driver lets go of every node that no later job names; earlier jobs may still run on them. */
  #release(atMs: number): void {
    const { jobs, nodes } = this.program;
    const later = jobs.filter((job) => job.atMs >= atMs).flatMap((job) => lineageOrder(nodes, job.root));
    const named = new Set(later.map((node) => node.id));
    const released = [...this.#sent].filter((node) => !named.has(node));
    for (const node of released) this.#storage.delete(node);
    if (released.length > 0) this.#send({ kind: "releaseNodes", nodes: released });
  }

  #receive(message: MasterToDriver): void {
    switch (message.kind) {
      case "opened":
        this.#begin(message.session);
        return;
      case "refused":
        this.world.broken(this.node.name, `was refused: ${message.error.message}`);
        return;
      case "result":
        this.#take(message);
        return;
      case "resultsRestarted":
        this.#startOver(this.#job(message.job), message.round);
        return;
      case "accumulators":
        for (const { value } of message.updates) {
          const job = this.#job(message.job);
          const name = String(decodeValue(value, noClasses));
          if (job.updates.has(name)) this.world.broken(`accumulators once`, `job ${job.id}: ${name} came twice`);
          job.updates.add(name);
        }
        return;
      case "jobEnded": {
        const job = this.#job(message.job);
        const { error, summary } = message;
        if (job.ended !== null) this.world.broken("a job ends once", `job ${job.id} ended twice`);
        job.ended = {
          code: error?.code ?? null,
          message: error?.message ?? "",
          atMs: this.node.clock.now,
          failedAttempts: summary.failedAttempts,
        };
        this.world.note(() => `${this.node.name}: job ${job.id} ended: ${error?.message ?? "well"}`);
        return;
      }
      default:
        return;
    }
  }

  #startOver(job: DriverJob, round: number): void {
    const { action } = job.plan;
    if (action.kind === "collect" && action.streamed === true && job.ended === null)
      this.world.broken("what was streamed is not taken back", `job ${job.id} was to start over`);
    job.results.clear();
    job.pieces = [];
    job.nextPartition = 0;
    job.round = round;
  }

  #take({ job: id, partition, bytes, last }: MasterToDriver & { readonly kind: "result" }): void {
    const job = this.#job(id);
    if (partition !== job.nextPartition && job.ended === null)
      this.world.broken(
        "results in order",
        `job ${id}: partition ${partition} came where ${job.nextPartition} was due`,
      );
    job.pieces.push(bytes);
    if (last) {
      const whole = Buffer.concat(job.pieces);
      job.pieces = [];
      job.nextPartition = partition + 1;
      job.results.set(partition, whole.byteLength === 0 ? [] : decodeStream(whole, noClasses));
    }
    if (bytes.byteLength === 0) return;
    const { round } = job;
    this.node.after(this.world.thinkMs(), () =>
      this.#send({ kind: "acknowledge", job: id, bytes: bytes.byteLength, ...(round === 0 ? {} : { round }) }),
    );
  }

  #job(id: JobId): DriverJob {
    const job = this.jobs.find((one) => one.id === id);
    if (job === undefined) throw new Error(`${this.node.name} hears of job ${id}, which it did not submit`);
    return job;
  }

  #send(message: DriverToMaster): void {
    this.#connection?.send(encodeDriverMessage(message));
  }
}
