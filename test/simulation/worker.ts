// One simulated worker: the real attempt runner, with slots, files and a stream to the master that exist only in the virtual
// clock. It crashes and comes back as another incarnation without its files; its stream breaks and comes back with them.

import {
  type BlobHash,
  formatTaskKey,
  type NodeId,
  type SessionId,
  type ShuffleId,
  sessionId,
  shuffleId,
  stageId,
  type TaskKey,
  workerId,
} from "../../src/core/ids.js";
import { generationOf, type MapOutputLocation, type TaskLaunch, type TaskOutcome } from "../../src/protocol/tasks.js";
import type { MasterToWorker, WorkerRegistration, WorkerToMaster } from "../../src/protocol/worker.js";
import {
  AttemptRunner,
  defaultAttemptRunnerOptions,
  type RunnerCommand,
  type RunnerEvent,
} from "../../src/worker/attempt-runner/index.js";
import { Random } from "./random.js";
import type { Pair } from "./records.js";
import type { Simulation } from "./simulation.js";
import { type DataPlane, type ReadRecords, runFragment } from "./slot.js";

const TICK_MS = 100;
const HEARTBEAT_MS = 1_000;
const PRESSURE = ["calm", "warm", "high", "critical"] as const;
/** Longer than the master waits for heartbeats. */
const SILENT_MS = 31_000;

export class SimulatedWorker {
  readonly id;
  runner: AttemptRunner;
  /** When memory gets short, drawn apart from everything else. */
  readonly #memory: Random;
  incarnation = 1;
  alive = true;
  /** Grows when it loses its files: names of outputs may come again then. */
  lives = 1;
  #epoch = 0;
  #connected = false;
  #upDueMs = 0;
  #slotLives: number[];
  /** "session/shuffle/stage/map/attempt" to one list a reduce partition. */
  #outputs = new Map<string, readonly (readonly Pair[])[]>();
  #cache = new Map<string, { readonly records: readonly Pair[]; readonly generation: number }>();
  #blocks = new Map<string, Uint8Array>();
  #blobs = new Map<BlobHash, Uint8Array>();
  /** Names of outputs that an earlier incarnation left. */
  #found: readonly string[] = [];
  #leaving = false;
  #goingUntilMs: number | null = null;

  constructor(
    readonly name: string,
    readonly slots: number,
    readonly node: string,
    readonly simulation: Simulation,
  ) {
    this.id = workerId(name);
    this.#memory = new Random(simulation.seed ^ name.charCodeAt(name.length - 1));
    this.runner = this.#newRunner();
    this.#slotLives = new Array(slots).fill(0);
    this.#connect();
    this.#tick(this.incarnation);
    this.#beat(this.incarnation);
  }

  get epoch(): number {
    return this.#epoch;
  }

  get connected(): boolean {
    return this.#connected;
  }

  block(
    session: SessionId,
    shuffle: ShuffleId,
    map: number,
    location: MapOutputLocation,
    partition: number,
  ): ReadRecords | null {
    if (!this.alive) return null;
    const name = `${session}/${shuffle}/${location.stage}/${map}/${location.attempt}`;
    const records = this.#outputs.get(name)?.[partition];
    return records === undefined ? null : { records, reads: new Set([`${this.name}/${this.lives}/${name}`]) };
  }

  /** Of another generation nothing is given. */
  cached(session: SessionId, node: NodeId, partition: number, generation: number): ReadRecords | null {
    const kept = this.alive ? this.#cache.get(`${session}/${node}/${partition}`) : undefined;
    if (kept === undefined || kept.generation !== generation) return null;
    return { records: kept.records, reads: this.simulation.versions.readCached(kept.records) };
  }

  resultBlock(key: TaskKey): Uint8Array | null {
    return this.alive ? (this.#blocks.get(formatTaskKey(key)) ?? null) : null;
  }

  /** Whether anything is left in a slot or queue. */
  leaks(): string[] {
    const busy = this.runner.slots.filter((slot) => slot.kind !== "idle").map((slot) => slot.kind);
    return [
      ...busy.map((kind) => `${this.name}: a slot is ${kind}`),
      ...this.runner.held.map((key) => `${this.name} holds ${formatTaskKey(key)}`),
    ];
  }

  /** What is left of sessions; nothing may be once all are closed. */
  leftovers(): string[] {
    const stores = { output: this.#outputs, cached: this.#cache, result: this.#blocks };
    return Object.entries(stores).flatMap(([what, store]) =>
      [...store.keys()].map((key) => `${this.name} keeps ${what} ${key}`),
    );
  }

  /** SIGTERM: it finishes nothing, tells the master and ends; another incarnation comes later. */
  leave(): void {
    if (!this.alive || this.#leaving) return;
    this.simulation.faults.injected.push(`${this.name} leaves`);
    this.#leaving = true;
    this.#send({ kind: "leaving", reason: "simulated" });
    this.#tell({ kind: "shutdown", reason: "simulated" });
  }

  /** SIGPWR: it takes no more tasks, others take what it holds, then its master tells it to end. */
  decommission(timeoutMs: number): void {
    if (!this.alive || this.#leaving || this.#goingUntilMs !== null) return;
    this.#goingUntilMs = this.simulation.clock.now + timeoutMs;
    this.#tell({ kind: "handBack" });
    this.#send({ kind: "decommission", reason: "simulated", timeoutMs });
  }

  #adopt({ from, blocks }: MasterToWorker & { kind: "adopt" }): void {
    const { clock, random } = this.simulation;
    const { incarnation } = this;
    for (const block of blocks) {
      clock.after(1 + random.below(60), () => {
        if (!this.alive || this.incarnation !== incarnation) return;
        const { session } = block;
        const holder = this.simulation.worker(from.worker);
        let taken: unknown;
        if (this.simulation.isOpen(session) && !this.simulation.faults.free(0.1, `${this.name} refuses a block`)) {
          if (block.kind === "mapOutput") {
            const name = `${session}/${block.shuffle}/${block.stage}/${block.map}/${block.attempt}`;
            const parts = holder?.alive === true ? holder.#outputs.get(name) : undefined;
            if (holder !== undefined && parts !== undefined) {
              this.#outputs.set(name, parts);
              const { versions } = this.simulation;
              versions.copied(`${holder.name}/${holder.lives}/${name}`, `${this.name}/${this.lives}/${name}`);
            }
            taken = parts;
          } else {
            const { node, partition, generation } = block;
            const found = holder?.cached(session, node, partition, generation) ?? undefined;
            if (found !== undefined)
              this.#cache.set(`${session}/${node}/${partition}`, { records: found.records, generation });
            taken = found;
          }
        }
        const outcomes = [{ block, error: taken === undefined ? noBlob : null }];
        this.#send({ kind: "adopted", from: from.worker, outcomes });
      });
    }
  }

  /** The stream breaks: what is on its way in either direction is lost. */
  breakStream(silently = false): void {
    if (!this.#connected && this.#epoch > 0) this.#epoch++;
    this.#connected = false;
    const epoch = ++this.#epoch;
    const { clock, random } = this.simulation;
    const incarnation = this.incarnation;
    if (!silently) {
      clock.after(random.below(20), () =>
        this.simulation.master({ kind: "workerDisconnected", worker: this.id, incarnation }),
      );
    }
    if (!this.alive) return;
    this.#tell({ kind: "connectionLost" });
    clock.after(30 + random.below(800), () => {
      if (this.alive && this.#epoch === epoch) this.#connect();
    });
  }

  crash(): void {
    if (!this.alive) return;
    // A machine that loses its power says nothing, and is not there again before the master has noticed.
    this.#end(this.simulation.random.chance(0.15));
  }

  #end(silently: boolean): void {
    this.alive = false;
    this.breakStream(silently);
    this.simulation.clock.after((silently ? SILENT_MS : 50) + this.simulation.random.below(2_000), () => {
      if (silently) this.simulation.checkGivenUp(this.id);
      // Half of the time it finds its committed outputs where they were, and offers them.
      const keeps = (this.simulation.seed + this.incarnation) % 2 === 0;
      this.incarnation++;
      this.alive = true;
      this.#leaving = false;
      this.#goingUntilMs = null;
      this.#blobs = new Map();
      this.#found = keeps ? [...this.#outputs.keys()] : [];
      if (!keeps) {
        this.lives++;
        this.#outputs = new Map();
      }
      this.#cache = new Map();
      this.#blocks = new Map();
      this.#slotLives = this.#slotLives.map((life) => life + 1);
      this.runner = this.#newRunner();
      this.#connect();
      this.#tick(this.incarnation);
      this.#beat(this.incarnation);
    });
  }

  /** A message of the master, sent over stream `epoch`. */
  receive(message: MasterToWorker, epoch: number): void {
    if (!this.alive || epoch !== this.#epoch) return;
    switch (message.kind) {
      case "registered":
        this.#offer(message.liveSessions);
        this.#tell({ kind: "registered", liveSessions: message.liveSessions });
        if (this.#leaving) this.#send({ kind: "leaving", reason: "simulated" });
        else if (this.#goingUntilMs !== null) {
          const timeoutMs = Math.max(0, this.#goingUntilMs - this.simulation.clock.now);
          this.#send({ kind: "decommission", reason: "simulated", timeoutMs });
        }
        return;
      case "decommission":
        this.#tell({ kind: "handBack" });
        return;
      case "adopt":
        this.#adopt(message);
        return;
      case "decommissioned":
        this.#leaving = true;
        this.#tell({ kind: "shutdown", reason: "simulated" });
        return;
      case "launch":
        this.#tell({ kind: "launches", launches: message.launches });
        return;
      case "cancel":
        this.#tell(message);
        return;
      case "mapOutputs":
        this.#tell({ kind: "mapOutputs", locations: message.locations });
        return;
      case "releaseSession":
        this.#tell({ kind: "sessionReleased", session: message.session });
        return;
      case "releaseShuffle":
        this.#drop(this.#outputs, `${message.session}/${message.shuffle}/`);
        this.#tell({ kind: "shuffleReleased", session: message.session, shuffle: message.shuffle });
        return;
      case "discard":
        for (const { map, stage, attempt } of message.outputs)
          this.#outputs.delete(`${message.session}/${message.shuffle}/${stage}/${map}/${attempt}`);
        return;
      case "uncache":
        this.#drop(this.#cache, `${message.session}/${message.node}/`);
        return;
      case "releaseBlobs":
        for (const hash of message.hashes) this.#blobs.delete(hash);
        this.#tell({ kind: "blobsReleased", hashes: message.hashes });
        return;
      case "releaseResults":
        for (const key of message.keys) this.#blocks.delete(formatTaskKey(key));
        return;
      default:
        return;
    }
  }

  #offer(live: readonly SessionId[]): void {
    const alive = new Set<string>(live);
    for (const name of [...this.#outputs.keys()])
      if (this.#found.includes(name) && !alive.has(name.split("/")[0] as string)) this.#outputs.delete(name);
    const outputs = this.#found
      .filter((name) => this.#outputs.has(name))
      .map((name) => {
        const [session, shuffle, stage, map, attempt] = name.split("/") as [string, string, string, string, string];
        return {
          session: sessionId(session),
          shuffle: shuffleId(Number(shuffle)),
          map: Number(map),
          stage: stageId(Number(stage)),
          attempt: Number(attempt),
        };
      });
    if (outputs.length > 0) this.#send({ kind: "offer", outputs });
  }

  #newRunner(): AttemptRunner {
    return new AttemptRunner({ ...defaultAttemptRunnerOptions, slots: this.slots, taskTimeoutMs: 3_000 });
  }

  #connect(): void {
    this.#epoch++;
    this.#connected = true;
    this.#upDueMs = 0;
    const address = { worker: this.id, machine: this.node, blocks: this.name, directory: this.name };
    const registration: WorkerRegistration = {
      worker: this.id,
      incarnation: this.incarnation,
      version: "0",
      role: "core",
      node: this.node,
      slots: this.slots,
      memoryBytes: 1,
      pid: 1,
      address,
    };
    this.#send({ kind: "register", registration });
  }

  /** In order and reliable until the stream breaks; some reports come twice, the second one late. */
  #send(message: WorkerToMaster): void {
    if (!this.#connected) return;
    const { clock, random } = this.simulation;
    const epoch = this.#epoch;
    const { incarnation } = this;
    this.#upDueMs = Math.max(this.#upDueMs, clock.now + random.below(8));
    const deliver = () => {
      if (epoch === this.#epoch) this.simulation.fromWorker(this, message, incarnation);
    };
    clock.after(this.#upDueMs - clock.now, deliver);
    if (message.kind === "statuses" && random.chance(0.1)) {
      clock.after(this.#upDueMs - clock.now + random.below(300), () =>
        this.simulation.fromWorker(this, message, incarnation),
      );
    }
  }

  #tell(event: RunnerEvent): void {
    if (!this.alive) return;
    this.simulation.note(() => `${this.name} <- ${JSON.stringify(event)}`);
    for (const command of this.runner.handle(event, this.simulation.clock.now)) this.#do(command);
  }

  #do(command: RunnerCommand): void {
    const { clock, random } = this.simulation;
    const { incarnation } = this;
    const later = (ms: number, act: () => void) =>
      clock.after(ms, () => this.alive && this.incarnation === incarnation && act());
    switch (command.kind) {
      case "report":
        this.#send({ kind: "statuses", statuses: command.statuses });
        return;
      case "heartbeat":
        this.#sendHeartbeat(command.running);
        return;
      case "fetchBlob":
        later(1 + random.below(5), () => this.#pulled(command.hash));
        return;
      case "startSlot": {
        const life = this.#nextLife(command.slot);
        later(
          3 + random.below(10),
          () => this.#slotLives[command.slot] === life && this.#tell({ kind: "slotReady", slot: command.slot }),
        );
        return;
      }
      case "run":
        this.#run(command, later);
        return;
      case "cancelWord": {
        const life = this.#slotLives[command.slot];
        // One in five does not look at the word.
        if (random.chance(0.2)) return;
        later(
          random.below(20),
          () =>
            this.#slotLives[command.slot] === life && this.#slotEnded(command.slot, command.key, { kind: "cancelled" }),
        );
        return;
      }
      case "killSlot":
        this.#nextLife(command.slot);
        later(1 + random.below(30), () => this.#tell({ kind: "slotDied", slot: command.slot, error: died }));
        return;
      case "dropSession":
        for (const store of [this.#outputs, this.#cache, this.#blocks]) this.#drop(store, `${command.session}/`);
        return;
      case "slotWrittenOff":
        return;
      case "drained":
        // What it reported last goes out before the process ends.
        later(20, () => this.#end(false));
        return;
    }
  }

  #drop(store: Map<string, unknown>, prefix: string): void {
    for (const key of [...store.keys()]) if (key.startsWith(prefix)) store.delete(key);
  }

  #pulled(hash: BlobHash): void {
    const bytes = this.simulation.blob(hash);
    if (bytes === undefined) {
      this.#tell({ kind: "blobFailed", hash, error: noBlob });
    } else {
      this.#blobs.set(hash, bytes);
      this.#tell({ kind: "blobArrived", hash });
    }
  }

  #run(command: RunnerCommand & { kind: "run" }, later: (ms: number, act: () => void) => void): void {
    const { random, faults } = this.simulation;
    const { slot, launch, locations } = command;
    const fragment = this.#blob(launch.fragment);
    const values = new Map(launch.values.flatMap(({ blob }) => (blob === undefined ? [] : [[blob, this.#blob(blob)]])));
    const life = this.#nextLife(slot);
    const mine = () => this.#slotLives[slot] === life;
    const runMs = random.chance(0.1) ? 100 + random.below(200) : 1 + random.below(20);
    if (faults.charged(0.02, `hang ${formatTaskKey(launch.key)}`)) return;
    if (faults.charged(0.03, `crash of ${this.name}`)) {
      later(random.below(runMs), () => this.crash());
      return;
    }
    if (faults.free(0.03, `break of ${this.name}`)) later(random.below(runMs), () => this.breakStream());
    later(runMs, () => {
      if (!mine()) return;
      if (faults.charged(0.02, `death at ${formatTaskKey(launch.key)}`)) {
        this.#nextLife(slot);
        return this.#tell({ kind: "slotDied", slot, error: died });
      }
      const fails =
        this.simulation.isDoomed(launch.key) || faults.charged(0.04, `error in ${formatTaskKey(launch.key)}`);
      const error = { code: "TASK_FAILED", message: "simulated", fields: {} } as const;
      const outcome: TaskOutcome = fails
        ? { kind: "failed", error, metrics: null }
        : runFragment(launch, fragment, locations, this.#dataPlane(launch, values), runMs);
      this.#slotEnded(slot, launch.key, outcome);
    });
  }

  #slotEnded(slot: number, key: TaskKey, outcome: TaskOutcome): void {
    this.#nextLife(slot);
    this.#tell({ kind: "slotEnded", slot, key, outcome });
    // A full cache drops partitions of its own accord.
    const victim = [...this.#cache.keys()][0];
    if (victim === undefined || !this.simulation.random.chance(0.1)) return;
    this.#cache.delete(victim);
    const [session, node, partition] = victim.split("/");
    const partitions = [{ node: Number(node) as NodeId, partition: Number(partition) }];
    this.#send({ kind: "uncached", session: session as SessionId, partitions });
  }

  /** An attempt is run only when everything that it needs is here. */
  #blob(hash: BlobHash): Uint8Array {
    const bytes = this.#blobs.get(hash);
    if (bytes === undefined) throw new Error(`${this.name} has no blob ${hash} for an attempt that it runs`);
    return bytes;
  }

  #dataPlane(launch: TaskLaunch, values: ReadonlyMap<BlobHash, Uint8Array>): DataPlane {
    const { session, stage, partition: map, attempt } = launch.key;
    const { versions } = this.simulation;
    return {
      block: (location, shuffle, at, partition) =>
        this.simulation.worker(location.worker)?.block(session, shuffle, at, location, partition) ?? null,
      cached: (node, partition) => {
        const holders = launch.cached
          .filter((one) => one.node === node && one.partition === partition)
          .map((one) => one.worker);
        for (const holder of [this.id, ...holders]) {
          const generation = generationOf(launch, node);
          const found = this.simulation.worker(holder)?.cached(session, node, partition, generation) ?? null;
          if (found !== null) return found;
        }
        return null;
      },
      perturb: (node, records) => this.simulation.perturb(session, node, records),
      ended: (reads) => versions.ended(launch.key, reads),
      writeMapOutput: (shuffle, parts, checksum, reads) => {
        this.simulation.computed(`${session}/${shuffle}/${map}`);
        const name = `${session}/${shuffle}/${stage}/${map}/${attempt}`;
        this.#outputs.set(name, parts);
        versions.wroteOutput(`${this.name}/${this.lives}/${name}`, `${session}/${shuffle}/${map}`, checksum, reads);
      },
      writeCached: (node, partition, records, reads) => {
        const generation = generationOf(launch, node);
        const key = `${session}/${node}/${partition}`;
        if ((this.#cache.get(key)?.generation ?? 0) > generation) return;
        this.#cache.set(key, { records, generation });
        versions.wroteCached(records, reads);
      },
      writeBlock: (bytes) => {
        if (!this.simulation.random.chance(0.3)) return false;
        this.#blocks.set(formatTaskKey(launch.key), bytes);
        return true;
      },
      writeFile: (records) => this.simulation.files.write(launch.key, records),
      blob: (hash) => values.get(hash) as Uint8Array,
      worker: this.id,
    };
  }

  #nextLife(slot: number): number {
    const life = (this.#slotLives[slot] ?? 0) + 1;
    this.#slotLives[slot] = life;
    return life;
  }

  #tick(incarnation: number): void {
    this.simulation.clock.after(TICK_MS, () => {
      if (!this.alive || this.incarnation !== incarnation) return;
      this.#tell({ kind: "tick" });
      if (this.#memory.chance(0.05)) this.#tell({ kind: "pressure", level: this.#memory.pick(PRESSURE) });
      this.#tick(incarnation);
    });
  }

  #sendHeartbeat(running: readonly TaskKey[]): void {
    const records = running.map(() => this.simulation.random.below(4));
    this.#send({ kind: "heartbeat", rssBytes: 1, cacheBytes: 1, running, records });
  }

  #beat(incarnation: number): void {
    this.simulation.clock.after(HEARTBEAT_MS, () => {
      if (!this.alive || this.incarnation !== incarnation) return;
      this.#sendHeartbeat(this.runner.held);
      this.#beat(incarnation);
    });
  }
}

const noBlob = { code: "PROTOCOL_ERROR", message: "simulated: nobody has the blob", fields: {} } as const;
const died = { code: "SLOT_DIED", message: "simulated", fields: {} } as const;
