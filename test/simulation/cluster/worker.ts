// One simulated worker process: the real shell (slot pool, attempt runner, cache, block service, directory) over simulated
// slots, disk and network. It crashes and starts again on the same directory or an empty one, stops for a while, leaves, and looks
// for its master as the real process does.

import { MillraceError } from "../../../src/core/errors.js";
import { type BlobHash, workerId } from "../../../src/core/ids.js";
import type { OptionValues } from "../../../src/core/options.js";
import type { BlockRequest } from "../../../src/protocol/blocks.js";
import type { OfferedOutput, PressureLevel } from "../../../src/protocol/worker.js";
import type { Connection } from "../../../src/rpc/connection.js";
import { findCommitted } from "../../../src/worker/committed-blocks.js";
import { isWorthRetrying, pauseAfter } from "../../../src/worker/reconnect.js";
import { WorkerShell } from "../../../src/worker/shell.js";
import { sweepDeadOwners, WorkerDirectory } from "../../../src/worker/worker-directory.js";
import type { DiskFault, Disks } from "../world/disk.js";
import type { SimulatedNode } from "../world/node.js";
import { SimulatedSlot, type SlotWorld } from "./slot.js";

export interface WorkerWorld {
  readonly options: OptionValues;
  readonly memoryBytes: number;
  readonly inlineResultBytes: number;
  readonly disks: Disks;
  /** Opens the stream to the master. Throws MASTER_UNREACHABLE. */
  dial(worker: SimulatedWorker): Promise<Connection>;
  fetchBlob(worker: SimulatedWorker, hash: BlobHash): Promise<Uint8Array>;
  fetchBlock(
    worker: SimulatedWorker,
    address: string,
    request: BlockRequest,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array>;
  slotWorld(): Omit<SlotWorld, "node" | "arm" | "crash" | "onDone"> & {
    onDone(worker: SimulatedWorker, ...done: Parameters<SlotWorld["onDone"]>): void;
  };
  /** A process has found these in its directory, and will offer them. */
  found(outputs: readonly OfferedOutput[]): void;
  /** The process has ended; `silently`: its machine is down and nobody is told. */
  ended(worker: SimulatedWorker, silently: boolean): void;
  /** It was silent for longer than a master waits. */
  wasDark(worker: SimulatedWorker, sinceMs: number): void;
  below(n: number): number;
  note(line: () => string): void;
}

/** Option --master-timeout of `millrace worker`. */
const MASTER_TIMEOUT_MS = 600_000;
/** A process takes so long to be there again, at least. */
const RESTART_MS = 50;
/** Longer than a master waits for a worker that is silent, by the slowest clock. */
const DARK_MS = 34_000;
const PRESSURE: readonly PressureLevel[] = ["calm", "warm", "high", "critical"];
/** Ticks between two words of it, about. */
const PRESSURE_EVERY = 20;
/** TOUCH_MS of the real process. */
const TOUCH_MS = 60_000;
/** STOP_TIMEOUT_MS of the real process: leaving takes no longer. */
const LEAVE_MS = 4_000;

export class SimulatedWorker {
  readonly id;
  readonly localDir: string;
  shell: WorkerShell | null = null;
  /** Of the process that runs; a report of an earlier one is void. */
  starts = 0;
  leaving = false;
  #stopping = false;
  #isGoing = false;

  constructor(
    readonly node: SimulatedNode,
    readonly slots: number,
    /** Whether its directory says that a process of its name comes back to it; else others of its machine sweep it. */
    private readonly returns: boolean,
    private readonly world: WorkerWorld,
  ) {
    this.id = workerId(node.name);
    this.localDir = `/${node.traits.machine}/tmp`;
  }

  get directory(): string {
    return WorkerDirectory.of(this.localDir, this.id).path;
  }

  /** The process starts: it sweeps what dead ones left, claims its directory and looks for the master. */
  start(): void {
    const { node, world } = this;
    node.start();
    this.starts++;
    this.leaving = false;
    this.#stopping = false;
    this.#isGoing = false;
    node.step(node.life, () => {
      world.disks.makeDirectory(this.localDir, true);
      const directory = WorkerDirectory.of(this.localDir, this.id);
      sweepDeadOwners(this.localDir, directory);
      directory.claim(this.returns);
      node.timer(() => directory.touch(), TOUCH_MS, true);
      const committed = findCommitted(directory.path);
      world.found(committed);
      this.shell = this.#makeShell(directory, committed);
      this.#shortOfMemory(this.shell);
      void this.shell.start();
      void this.#connect();
    });
  }

  /** SIGTERM. */
  leave(): void {
    const { node } = this;
    if (!node.alive || this.leaving) return;
    this.leaving = true;
    this.world.note(() => `${node.name} leaves`);
    node.step(node.life, () => {
      this.#stopping = true;
      this.shell?.leave("simulated");
    });
    node.after(LEAVE_MS, () => this.#end(false, true));
  }

  /** It has been let go, and leaves nothing to come back to. */
  #goAway(reason: string): void {
    if (this.#stopping) return;
    this.leaving = true;
    this.#stopping = true;
    this.#isGoing = true;
    this.shell?.leave(reason);
    this.node.after(LEAVE_MS, () => this.#end(false, false));
  }

  /** SIGPWR: it takes no more tasks, others take what it holds, then its master tells it to end. */
  letGo(timeoutMs: number): void {
    const { node } = this;
    if (node.alive) node.step(node.life, () => this.shell?.decommission("simulated", timeoutMs));
  }

  /** The process, or its machine, is gone at once. */
  crash(silently: boolean, keepsDisk: boolean): void {
    if (!this.node.alive) return;
    this.world.note(() => `${this.node.name} crashes${silently ? " with its machine" : ""}`);
    this.#end(silently, keepsDisk);
  }

  #end(silently: boolean, keepsDisk: boolean): void {
    const { node, world } = this;
    if (!node.alive) return;
    node.end(silently);
    this.shell = null;
    world.ended(this, silently);
    if (!keepsDisk) world.disks.remove(this.directory, true);
    const endedMs = node.clock.now;
    node.clock.after((silently ? DARK_MS : RESTART_MS) + world.below(2_000), () => {
      if (silently) world.wasDark(this, endedMs);
      this.start();
    });
  }

  #makeShell(directory: WorkerDirectory, committed: readonly OfferedOutput[]): WorkerShell {
    const { node, world, id } = this;
    const { onDone, ...shared } = world.slotWorld();
    const slotWorld: SlotWorld = {
      ...shared,
      node,
      onDone: (...done) => onDone(this, ...done),
      arm: (fault: DiskFault | null) => {
        world.disks.fault = fault;
      },
      crash: () => this.crash(false, true),
    };
    return new WorkerShell({
      registration: {
        worker: id,
        role: "core",
        node: node.traits.machine,
        slots: this.slots,
        memoryBytes: world.memoryBytes,
        address: { worker: id, machine: node.traits.machine, blocks: node.name, directory: directory.path },
      },
      directory,
      committed,
      options: world.options,
      oneMachine: false,
      watchedMemory: null,
      moduleRoots: [],
      makeSlot: (index, settings, _heap, events) =>
        new SimulatedSlot(index, { ...settings, inlineResultBytes: world.inlineResultBytes }, events, slotWorld),
      fetchBlob: (hash) => world.fetchBlob(this, hash),
      fetchBlock: (address, request, signal) => world.fetchBlock(this, address, request, signal),
      onDrained: () => {
        if (this.leaving) node.after(0, () => this.#end(false, !this.#isGoing));
      },
      onDecommissioned: (reason) => this.#goAway(reason),
      onRefused: (error) => {
        throw error;
      },
      log: (message) => world.note(() => `${node.name}: ${message}`),
    });
  }

  /** Now and then memory is short, or is so no longer: what the memory guard would say, with no process to measure. */
  #shortOfMemory({ runner, cache }: WorkerShell): void {
    const { world } = this;
    const handle = runner.handle.bind(runner);
    runner.handle = (event, now) => {
      if (event.kind !== "tick" || world.below(PRESSURE_EVERY) > 0) return handle(event, now);
      const level = PRESSURE[world.below(PRESSURE.length)] as PressureLevel;
      if (level === "critical") cache.evict(1 + world.below(2_000));
      return [...handle({ kind: "pressure", level }, now), ...handle(event, now)];
    };
  }

  async #connect(): Promise<void> {
    const { node, world } = this;
    const deadline = node.wallMs + MASTER_TIMEOUT_MS;
    for (let failures = 1; !this.#stopping; failures++) {
      try {
        const connection = await world.dial(this);
        this.shell?.attach(connection, () => {
          if (!this.#stopping) void this.#connect();
        });
        return;
      } catch (error) {
        if (!isWorthRetrying(error, true)) throw error;
        if (node.wallMs + pauseAfter(failures) > deadline)
          throw new MillraceError("MASTER_UNREACHABLE", `${node.name} found no master in its time`, { cause: error });
      }
      await node.sleep(pauseAfter(failures));
    }
  }
}
