// One seeded run: the real master and worker shells with their machines, the real operators, shuffle files and codecs, over a
// virtual clock, network and disk (world/) that delay, break, fill up and lose. Jobs must give the model's answers, whatever
// happens; what else must hold stands in invariants.ts.

import { encodeValue } from "../../src/codec/stream.js";
import { noClasses } from "../../src/core/class-registry.js";
import { MillraceError } from "../../src/core/errors.js";
import { type BlobHash, formatTaskKey, type JobId, type SessionId, stageId, type TaskKey } from "../../src/core/ids.js";
import { type OptionValues, resolveOptions, toPortableOptions } from "../../src/core/options.js";
import type { PoolDefinition } from "../../src/core/scheduler-pools.js";
import type { MasterCommand } from "../../src/master/events.js";
import { type MasterOptions, masterOptionsOf } from "../../src/master/options.js";
import type { BlockRequest } from "../../src/protocol/blocks.js";
import { type TaskLaunch, tasksOf } from "../../src/protocol/tasks.js";
import type { OfferedOutput } from "../../src/protocol/worker.js";
import {
  decodeDriverMessage,
  decodeMasterToDriver,
  decodeMasterToWorker,
  decodeWorkerMessage,
} from "../../src/rpc/codecs/index.js";
import type { Connection } from "../../src/rpc/connection.js";
import { resultPath } from "../../src/shuffle/paths.js";
import { checkAnswer } from "./answers.js";
import { type DriverJob, SimulatedDriver } from "./cluster/driver.js";
import { SimulatedMaster } from "./cluster/master.js";
import type { SlotWorld } from "./cluster/slot.js";
import { SimulatedWorker } from "./cluster/worker.js";
import { drawFate } from "./fates.js";
import { FaultBudget } from "./faults.js";
import { always, atRest, atTheEnd, broken, type Watched } from "./invariants.js";
import { randomProgram } from "./program/program.js";
import { Trace } from "./trace.js";
import { outputAt, Versions } from "./versions.js";
import { startCalm, startWeather } from "./weather.js";
import { call } from "./world/call.js";
import { VirtualClock } from "./world/clock.js";
import { restartNames } from "./world/crypto.js";
import type { Disks } from "./world/disk.js";
import { mountDisks } from "./world/fs.js";
import { mountStorage } from "./world/fs-promises.js";
import { Network } from "./world/network.js";
import { Processes, SimulatedNode } from "./world/node.js";
import { Random } from "./world/random.js";
import { enter, here, installRuntime } from "./world/runtime.js";
import { drawBreak, SimulatedStream } from "./world/stream.js";

export interface SimulationResult {
  readonly seed: number;
  readonly jobs: number;
  /** Steps of the clock. */
  readonly steps: number;
  /** Empty: all invariants held. */
  readonly problems: readonly string[];
  readonly faults: readonly string[];
  /** Attempts that were launched beside another one. */
  readonly copies: number;
  /** Attempts that were launched to run after another one in its slot. */
  readonly grouped: number;
  readonly trace: readonly string[];
}

/** Makes the seed of pools another one than the run's. */
const POOLS = 0x9001;
/** Virtual time by which every job must have ended, whatever the faults. */
const JOB_BOUND_MS = 500_000;
/** Calm runs take hundreds of steps, the longest ones some ten thousand; more is a storm. */
const MAX_STEPS = 60_000;
/** After the last job: slots get so long to be recycled or killed, workers to come back. */
const GRACE_MS = 120_000;
/** What a dial waits for an answer (src/rpc/grpc/channel.ts). */
const DIAL_TIMEOUT_MS = 10_000;

export class Simulation {
  readonly #clock = new VirtualClock();
  readonly #random: Random;
  readonly #faults: FaultBudget;
  readonly #network: Network;
  readonly #disks: Disks;
  readonly #processes = new Processes();
  readonly #trace: Trace;
  readonly #options: OptionValues;
  readonly #master: SimulatedMaster;
  readonly #workers: SimulatedWorker[] = [];
  readonly #drivers: SimulatedDriver[] = [];
  readonly #streams = new Map<SimulatedNode, SimulatedStream>();
  readonly #problems: string[] = [];
  readonly #lostFiles = new Set<string>();
  /** Outputs whose commit a fault has broken, as paths. */
  readonly #brokenOutputs = new Set<string>();
  /** Of each task the attempts that may still count: the one launched last, and those launched beside it. */
  readonly #live = new Map<string, Set<number>>();
  /** Those whose map outputs a process has found, and offered: they may count again. */
  readonly #offered = new Set<string>();
  readonly #done = new Set<string>();
  /** Maps whose outputs were written, and those that were so once more. */
  readonly #made = new Set<string>();
  readonly #again: string[] = [];
  /** Of each job the attempts that gave its answer, by partition. */
  readonly #contributors = new Map<string, Map<number, TaskKey>>();
  /** null: functions give the same each time, and answers are the model's. */
  readonly #versions: Versions | null;
  readonly #dividesJoins: boolean;
  readonly #pools: Pick<OptionValues, "scheduler.mode" | "scheduler.pools">;
  /** How many workers are let go in a run in which nothing goes wrong; null: it is no such run. */
  #calm: number | null = null;
  #copies = 0;
  #grouped = 0;
  readonly #inlineBytes: number;
  readonly #memoryBytes: number;
  #steps = 0;

  constructor(
    readonly seed: number,
    tracing: boolean,
  ) {
    // Stacks are dear, and only a trace is read by people.
    Error.stackTraceLimit = tracing ? 20 : 0;
    installRuntime();
    enter(null);
    restartNames();
    this.#disks = mountDisks();
    const random = new Random(seed);
    this.#random = random;
    this.#faults = new FaultBudget(random);
    this.#trace = new Trace(this.#clock, tracing);
    this.#network = new Network({ clock: this.#clock, random });
    mountStorage({ random, renameFails: (path) => this.#renameFails(path) });
    this.#versions = random.chance(0.25) ? new Versions() : null;
    if (this.#versions !== null) this.#faults.most();
    this.#dividesJoins = random.chance(0.5);
    this.#pools = drawPools(new Random(seed ^ POOLS));
    const options = drawOptions(random, this.#versions !== null, this.#dividesJoins);
    // Long beside what tasks take here: where it is on, launches are of several tasks.
    this.#options = { ...options, ...this.#pools, "scheduler.groupTime": seed % 3 === 0 ? 0 : 5_000 };
    this.#inlineBytes = random.chance(0.5) ? 24 : 65_536;
    this.#memoryBytes = random.pick([4_000, 40_000, 64 * 1024 * 1024]);
    this.#master = new SimulatedMaster(this.#node("master", "m"), {
      options: eagerlyGrouping(masterOptionsOf(this.#options)),
      valueInlineBytes: 24,
      openBlock: (worker, request, signal) =>
        this.#openBlock(this.#master.node, worker.address.blocks, request, signal),
      saw: (command) => this.#saw(command),
      note: (line) => this.#trace.add(line),
    });
  }

  async run(): Promise<SimulationResult> {
    try {
      this.#start();
      await this.#runUntil(() => this.#drivers.every((driver) => driver.isDone), JOB_BOUND_MS);
      for (const { node, jobs, isDone } of this.#drivers)
        if (!isDone) this.#broken("jobs end within their bound", `${node.name}: ${jobs.map(describeJob).join(", ")}`);
      await this.#settleTo(atRest);
      for (const driver of this.#drivers) driver.close();
      await this.#settleTo(atTheEnd);
      for (const driver of this.#drivers)
        for (const job of driver.jobs) this.#problems.push(...this.#checkJob(driver, job));
      this.#checkCalm();
    } catch (error) {
      this.#problems.push((error as Error).stack ?? String(error));
    }
    return {
      seed: this.seed,
      jobs: this.#drivers.reduce((sum, driver) => sum + driver.jobs.length, 0),
      steps: this.#steps,
      problems: this.#problems,
      faults: this.#faults.injected,
      copies: this.#copies,
      grouped: this.#grouped,
      trace: this.#trace.lines,
    };
  }

  /** A promise was rejected and nobody took it. */
  rejected(error: unknown): void {
    this.#broken("nothing fails unheard", (error as Error).stack ?? String(error));
  }

  #start(): void {
    const random = this.#random;
    const workers = 1 + random.below(4);
    for (let i = 0; i < workers; i++) {
      const node = this.#node(`w${i}`, `n${random.below(workers)}`);
      this.#workers.push(new SimulatedWorker(node, 1 + random.below(3), random.chance(0.7), this.#workerWorld()));
    }
    const drivers = random.chance(0.3) ? 2 : 1;
    for (let i = 0; i < drivers; i++) this.#startDriver(`d${i}`);
    for (const worker of this.#workers) this.#clock.after(random.below(30), () => worker.start());
    const weather = {
      clock: this.#clock,
      random,
      faults: this.#faults,
      network: this.#network,
      master: this.#master.node,
      workers: this.#workers,
      drivers: this.#drivers,
      streamOf: (node: SimulatedNode) => this.#streams.get(node),
      letGoByMaster: (worker: SimulatedWorker, timeoutMs: number) => this.#master.letGo(worker, timeoutMs),
    };
    if (random.chance(0.06)) {
      this.#faults.none();
      this.#calm = startCalm(weather);
    } else startWeather(weather);
  }

  #startDriver(name: string): void {
    const random = this.#random;
    const node = this.#node(name, name);
    const traits = { isUnsteady: this.#versions !== null, dividesJoins: this.#dividesJoins };
    const program = randomProgram(random, traits, (job) => `file:///shared/out-${name}-${job}`);
    const slow = random.chance(0.1);
    const driver = new SimulatedDriver(node, program, {
      options: { ...portable(this.#options), "eventLog.enabled": false },
      thinkMs: () => (slow ? random.below(2_000) : random.below(20)),
      isDoomed: () => random.chance(0.04),
      pools: Object.keys(this.#pools["scheduler.pools"]),
      broken: (invariant, what) => this.#broken(invariant, what),
      note: (line) => this.#trace.add(line),
    });
    this.#drivers.push(driver);
    node.start();
    this.#clock.after(random.below(20), () => {
      if (driver.over !== "no") return;
      const stream = this.#stream(node);
      node.step(node.life, () => driver.attach(stream.client));
      this.#master.acceptDriver(stream.server);
    });
  }

  #node(name: string, machine: string): SimulatedNode {
    const random = this.#random;
    const traits = {
      name,
      machine,
      rate: random.chance(0.3) ? 0.95 + random.next() * 0.1 : 1,
      aheadMs: random.below(5_000),
      slow: name.startsWith("w") && random.chance(0.1) ? 10 : 1,
    };
    return new SimulatedNode(traits, this.#clock, this.#processes, (at, error) =>
      this.#broken("nothing is thrown unheard", `${at.name}: ${(error as Error).stack ?? String(error)}`),
    );
  }

  #stream(client: SimulatedNode): SimulatedStream {
    const stream = new SimulatedStream(this.#network, client, this.#master.node, (from, _to, bytes) =>
      this.#sent(stream, from, bytes),
    );
    this.#streams.set(client, stream);
    return stream;
  }

  #workerWorld() {
    const random = this.#random;
    const { node: master } = this.#master;
    return {
      options: this.#options,
      memoryBytes: this.#memoryBytes,
      inlineResultBytes: this.#inlineBytes,
      disks: this.#disks,
      dial: (worker: SimulatedWorker) => this.#dial(worker),
      fetchBlob: async (worker: SimulatedWorker, hash: BlobHash) => {
        const parts: Uint8Array[] = [];
        const answer = call(this.#network, worker.node, master, {
          serve: () => [this.#master.readBlob(hash)],
          code: "MASTER_LOST",
          breaksAfter: this.#faults.charged(0.005, `the fetch of a blob by ${worker.node.name} breaks`) ? 0 : null,
          onNetworkFailure: () => this.#networkFailed(`a blob did not come to ${worker.node.name}`),
        });
        for await (const part of answer) parts.push(part);
        return Buffer.concat(parts);
      },
      fetchBlock: (worker: SimulatedWorker, address: string, request: BlockRequest, signal: AbortSignal) =>
        this.#openBlock(worker.node, address, request, signal),
      slotWorld: () => ({
        fate: (key: TaskKey) =>
          drawFate(
            {
              random,
              faults: this.#faults,
              tasksTimeOut: this.#options["task.timeout"] !== null,
              isDoomed: (one) => this.#isDoomed(one),
            },
            key,
          ),
        below: (n: number) => random.below(n),
        undo: (key: TaskKey) => {
          const place = `/${key.stage}-${key.partition}-${key.attempt}`;
          for (const path of this.#disks.directoriesBelow("/shared", `${key.session}-${key.job}${place}`))
            this.#disks.remove(path, true);
          for (const { directory } of this.#workers) this.#disks.remove(resultPath(directory, key), false);
        },
        watchReads: (reads: Set<string> | null) => {
          this.#disks.onRead =
            reads === null || this.#versions === null
              ? null
              : (path) => {
                  const output = outputAt(path);
                  if (output !== null) reads.add(output);
                };
        },
        onDone: (worker: SimulatedWorker, ...[key, outcome, reads, fragment]: Parameters<SlotWorld["onDone"]>) => {
          this.#versions?.succeeded(key, outcome, reads, fragment);
          if (outcome.kind === "succeeded" && outcome.result.kind === "mapOutput")
            this.#outputMade(key, outcome.result);
          this.#maybeCorrupt(worker, key);
        },
        update: (key: TaskKey) => ({
          accumulator: 1,
          value: encodeValue(`${key.stage}/${key.partition}`, noClasses),
        }),
      }),
      found: (outputs: readonly OfferedOutput[]) => {
        for (const { session, stage, map, attempt } of outputs)
          this.#offered.add(`${session}/${stage}/${map}/${attempt}`);
      },
      ended: (worker: SimulatedWorker, silently: boolean) => this.#network.ended(worker.node, !silently),
      wasDark: (worker: SimulatedWorker, sinceMs: number) => {
        // A master that was stopped itself gives everybody more time.
        if (master.lastStopMs < sinceMs && this.#master.machine.view.workers.some(({ id }) => id === worker.id))
          this.#broken("silent workers are given up", `the master still counts on ${worker.node.name}`);
      },
      below: (n: number) => random.below(n),
      note: (line: () => string) => this.#trace.add(line),
    };
  }

  async #dial(worker: SimulatedWorker): Promise<Connection> {
    const { node } = worker;
    const master = this.#master.node;
    const there = Math.max(this.#network.arrival(node, master), this.#network.arrival(master, node));
    const waitMs = there - this.#clock.now;
    if (waitMs > DIAL_TIMEOUT_MS) {
      await node.sleep(DIAL_TIMEOUT_MS);
      throw new MillraceError("MASTER_UNREACHABLE", "the master did not answer in time");
    }
    await node.sleep(waitMs);
    const stream = this.#stream(node);
    this.#master.acceptWorker(stream.server, node.name);
    if (this.#faults.free(0.06, `early break of ${node.name}`)) {
      const { afterMs } = drawBreak(this.#random);
      this.#clock.after(afterMs, () => stream.break(true));
    }
    return stream.client;
  }

  #openBlock(from: SimulatedNode, address: string, request: BlockRequest, signal: AbortSignal) {
    const target = this.#workers.find(({ node }) => node.name === address);
    if (target === undefined) throw new Error(`nobody has the address ${address}`);
    const breaks = this.#faults.charged(0.01, `a fetch of ${from.name} from ${address} breaks`);
    return call(this.#network, from, target.node, {
      serve: () => {
        const { shell } = target;
        if (shell === null) throw new MillraceError("FETCH_FAILED", `${address} has no process`);
        return shell.blocks.serve(request);
      },
      signal,
      code: "FETCH_FAILED",
      breaksAfter: breaks ? this.#random.below(2) : null,
      onNetworkFailure: () => this.#networkFailed(`a fetch of ${from.name} from ${address} fails`),
    });
  }

  /** When tasks cannot be charged any more the network has to be whole. */
  #networkFailed(name: string): void {
    if (!this.#faults.spend(name)) this.#network.heal();
  }

  #renameFails(path: string): boolean {
    const attempt = /\/out-(d\d+)-(\d+)\/_temporary\/[^/]+\/(\d+)-(\d+)-(\d+)\//.exec(path);
    if (attempt === null) return false;
    const [, driver, job, stage, partition, number] = attempt as unknown as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const session = this.#drivers.find(({ node }) => node.name === driver)?.session;
    this.#checkLive(`${session}/${stage}/${partition}`, Number(number), "is committed");
    if (!this.#faults.free(0.02, `commit of ${path} fails`)) return false;
    this.#brokenOutputs.add(`/shared/out-${driver}-${job}`);
    return true;
  }

  #maybeCorrupt(worker: SimulatedWorker, key: TaskKey): void {
    if (!this.#faults.charged(0.015, `an output of ${formatTaskKey(key)} is damaged`)) return;
    const name = new RegExp(`/shuffle/${key.session}/\\d+/${key.partition}-${key.stage}-${key.attempt}\\.data$`);
    const path = this.#disks.filesBelow(worker.directory).find((one) => name.test(one));
    const size = path === undefined ? 0 : (this.#disks.file(path)?.size ?? 0);
    if (path !== undefined) this.#disks.corrupt(path, this.#random.below(size));
  }

  /** A doomed job fails at its first partition, every time. */
  #isDoomed(key: TaskKey): boolean {
    const driver = this.#drivers.find(({ session }) => session === key.session);
    return key.partition === 0 && driver?.jobs.find(({ id }) => id === key.job)?.doomed === true;
  }

  /** Looks at every message as it is sent. */
  #sent(stream: SimulatedStream, from: SimulatedNode, bytes: Uint8Array): void {
    const [client] = stream.ends;
    if (from === this.#master.node && client.name.startsWith("w")) {
      const message = decodeMasterToWorker(bytes);
      this.#trace.message("master", client.name, message);
      if (message.kind === "launch") for (const launch of message.launches) this.#launched(launch);
      if (message.kind === "mapOutputs") {
        const { session, outputs } = message.locations;
        outputs.forEach(({ stage, attempt }, map) => {
          this.#checkLive(`${session}/${stage}/${map}`, attempt, "is an output that counts");
        });
      }
      return;
    }
    if (from !== this.#master.node && client.name.startsWith("w") && this.#random.chance(0.1)) {
      // Late enough to meet the next attempt.
      const laterMs = this.#random.below(this.#random.chance(0.5) ? 40 : 1_500);
      if (decodeWorkerMessage(bytes).kind === "statuses") stream.repeat(bytes, laterMs);
    }
    if (!this.#trace.on) return;
    if (from === this.#master.node) this.#trace.message("master", client.name, decodeMasterToDriver(bytes));
    else if (client.name.startsWith("w")) this.#trace.message(client.name, "master", decodeWorkerMessage(bytes));
    else this.#trace.message(client.name, "master", decodeDriverMessage(bytes));
  }

  /** One that is not launched beside another one replaces those before it. */
  #launched(launch: TaskLaunch): void {
    for (const task of tasksOf(launch)) this.#attempted(task);
    if (launch.more !== undefined) this.#grouped += launch.more.length;
  }

  #attempted({ key, speculative }: TaskLaunch): void {
    const name = `${key.session}/${key.stage}/${key.partition}`;
    const beside = speculative === true ? this.#live.get(name) : undefined;
    this.#live.set(name, new Set([...(beside ?? []), key.attempt]));
    if (speculative === true) this.#copies++;
  }

  #outputMade({ session, stage, partition, attempt }: TaskKey, { shuffle }: { readonly shuffle: number }): void {
    this.#done.add(`${session}/${stage}/${partition}/${attempt}`);
    const place = `${session}/${shuffle}/${partition}`;
    if (!this.#made.has(place)) this.#made.add(place);
    else this.#again.push(place);
  }

  #saw(command: MasterCommand): void {
    switch (command.kind) {
      case "deliver": {
        const { key, partition } = command;
        this.#checkLive(`${key.session}/${key.stage}/${key.partition}`, key.attempt, "is delivered");
        this.#contributorsOf(command).set(partition, key);
        return;
      }
      case "restartResults":
        this.#contributorsOf(command).clear();
        return;
      case "commitOutput": {
        const { session, job, files } = command;
        for (const { pending } of files) {
          const found = /\/(\d+)-(\d+)-(\d+)(?:\/|$)/.exec(pending) as unknown as [string, string, string, string];
          const [stage, partition, attempt] = found.slice(1).map(Number) as [number, number, number];
          const key = { session, job, stage: stageId(stage), partition, attempt };
          this.#contributorsOf(command).set(partition, key);
        }
      }
    }
  }

  #contributorsOf({ session, job }: { readonly session: SessionId; readonly job: JobId }): Map<number, TaskKey> {
    const name = `${session}/${job}`;
    const known = this.#contributors.get(name) ?? new Map<number, TaskKey>();
    this.#contributors.set(name, known);
    return known;
  }

  /** Workers that are let go cost nothing: no map output is made twice, no attempt fails. */
  #checkCalm(): void {
    if (this.#calm === null || this.#problems.length > 0) return;
    const jobs = this.#drivers.flatMap((driver) => driver.jobs);
    const failed = jobs
      .filter(({ doomed }) => !doomed)
      .reduce((sum, { ended }) => sum + (ended?.failedAttempts ?? 0), 0);
    const what = `${this.#calm} workers were let go`;
    if (failed > 0) this.#broken("letting go costs nothing", `${what}: ${failed} attempts failed`);
    // What a second attempt or a cancelled or failed one makes is made again on purpose.
    const isWhole = this.#copies === 0 && jobs.every(({ ended, cancelled }) => ended?.code === null && !cancelled);
    if (isWhole && this.#again.length > 0)
      this.#broken("letting go costs nothing", `${what}: ${this.#again.join(", ")} were made again`);
  }

  /** What counts is the work of an attempt that was not given up. */
  #checkLive(task: string, attempt: number, what: string): void {
    const live = this.#live.get(task);
    const name = `${task}/${attempt}`;
    if (this.#offered.has(name) && this.#done.has(name)) return;
    if (live?.has(attempt) !== true)
      this.#broken("a stale attempt never wins", `${task}/${attempt} ${what}, those that may are ${[...(live ?? [])]}`);
  }

  #broken(invariant: string, what: string): void {
    this.#trace.add(() => `BROKEN [${invariant}] ${what}`);
    this.#problems.push(`[${invariant}] ${what}`);
  }

  get #watched(): Watched {
    return {
      master: this.#master,
      workers: this.#workers,
      drivers: this.#drivers,
      disks: this.#disks,
      lostFiles: this.#lostFiles,
    };
  }

  async #settleTo(invariants: typeof atRest): Promise<void> {
    const until = this.#clock.now + GRACE_MS;
    let looked = this.#clock.now - 100;
    const holds = () => {
      // Looking is dear: ten times a second is often enough.
      if (this.#clock.now - looked < 100) return false;
      looked = this.#clock.now;
      return broken(invariants, this.#watched).length === 0;
    };
    await this.#runUntil(holds, until);
    if (this.#problems.length === 0) this.#problems.push(...broken(invariants, this.#watched));
  }

  async #runUntil(done: () => boolean, boundMs: number): Promise<void> {
    while (!done() && this.#clock.now < boundMs && this.#problems.length === 0) {
      if (!this.#clock.step()) throw new Error("nothing is due any more");
      if (++this.#steps > MAX_STEPS) throw new Error(`[jobs end within their bound] more than ${MAX_STEPS} steps`);
      await settled();
      if (here() === this.#master.node) this.#problems.push(...broken(always, this.#watched));
    }
  }

  #checkJob(driver: SimulatedDriver, job: DriverJob): string[] {
    return checkAnswer({
      driver,
      job,
      disks: this.#disks,
      versions: this.#versions,
      contributors:
        driver.session === null ? [] : this.#contributorsOf({ session: driver.session, job: job.id }).values(),
      outputBroken: (path) => this.#brokenOutputs.has(path),
    });
  }
}

/** All promises that can be kept are, without real time passing. */
async function settled(): Promise<void> {
  await new Promise<void>((resolve) => process.nextTick(resolve));
  await new Promise<void>((resolve) => process.nextTick(resolve));
}

function drawOptions(random: Random, isUnsteady: boolean, dividesJoins: boolean): OptionValues {
  return {
    ...defaults(),
    "memory.taskBytes": random.pick([1, 100_000, 4 * 1024 * 1024]),
    "task.timeout": random.pick([null, 60_000]),
    "shuffle.localReads": random.chance(0.6),
    "shuffle.compress": random.chance(0.3),
    // Without checksums nobody can tell one version from another.
    "shuffle.checksum": random.chance(0.5) || isUnsteady,
    "fetch.retries": random.pick([0, 1, 3]),
    "join.skew.enabled": dividesJoins,
    "join.skew.factor": 1,
    "join.skew.threshold": 3,
    "shuffle.flushBytes": random.pick([1_024, 32 * 1024 * 1024]),
    // Slow tasks are few beside a stage's others here: half of them is enough to tell.
    speculation: random.chance(0.5),
    "speculation.quantile": 0.5,
    "speculation.multiplier": 1.5,
    "speculation.minTaskRuntime": 20,
    "exclude.enabled": random.chance(0.7),
    "locality.wait": random.pick([0, 300, 3_000]),
  };
}

let known: OptionValues | null = null;

function defaults(): OptionValues {
  known ??= resolveOptions({ limits: { cores: 2, memoryBytes: 2 ** 30 } as never }).values;
  return known;
}

/** Half of the sessions schedule by pools; jobs name them in every one. From chances of their own: the rest of a seed's run stays. */
function drawPools(random: Random): Pick<OptionValues, "scheduler.mode" | "scheduler.pools"> {
  const pools: Record<string, PoolDefinition> = {};
  for (const name of ["a", "b", "c"].slice(random.below(3))) {
    const mode = random.chance(0.5) ? "FAIR" : "FIFO";
    pools[name] = { mode, weight: 1 + random.below(3), minShare: random.below(3) };
  }
  return { "scheduler.mode": random.chance(0.5) ? "FAIR" : "FIFO", "scheduler.pools": pools };
}

/** Stages are of few tasks here: where launches take several, they take what there is. */
function eagerlyGrouping(options: MasterOptions): MasterOptions {
  return { ...options, assigner: { ...options.assigner, groupShare: 10 } };
}

function portable(options: OptionValues): Record<string, string | number | boolean> {
  return toPortableOptions(options);
}

function describeJob({ id, ended }: DriverJob): string {
  return `job ${id} ${ended === null ? "has not ended" : `ended with ${ended.code}`}`;
}
