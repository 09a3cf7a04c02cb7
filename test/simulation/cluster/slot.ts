// One simulated slot: the real host of attempts (src/worker/slot/host.ts) with the real operators, shuffle files and fetches, on
// a thread that exists only in the virtual clock. Its task takes time, may look at the cancel word late or never, fails, dies,
// hangs, fills the disk, or takes its process down in the middle of a write.

import { MillraceError } from "../../../src/core/errors.js";
import { formatTaskKey, type TaskKey } from "../../../src/core/ids.js";
import type { AccumulatorUpdate } from "../../../src/protocol/tasks.js";
import { ControlRow } from "../../../src/worker/slot/control-row.js";
import { SlotHost } from "../../../src/worker/slot/host.js";
import type { SlotOutcome, SlotReply, SlotRun, SlotSettings } from "../../../src/worker/slot/messages.js";
import { runInTurn, toldOnly } from "../../../src/worker/slot/tasks-in-turn.js";
import type { SlotEvents, SlotThread } from "../../../src/worker/slots/slot.js";
import { runAs } from "../program/functions.js";
import { cachedName, readsOf } from "../versions.js";
import type { DiskFault } from "../world/disk.js";
import type { SimulatedNode } from "../world/node.js";
import { onBlocked } from "../world/runtime.js";
import { ReplayPort } from "./port.js";

/** What the world decides about one run. */
export interface RunFate {
  /** What the task computes without waiting, ms. */
  readonly runMs: number;
  readonly end: "well" | "error" | "death" | "hang";
  readonly disk: DiskFault | null;
  /** It does not look at its cancel word before it ends. */
  readonly deaf: boolean;
  /** Its process ends after it has done its work and before anybody hears of it. */
  readonly crashAfter: boolean;
}

export interface SlotWorld {
  readonly node: SimulatedNode;
  fate(key: TaskKey): RunFate;
  arm(fault: DiskFault | null): void;
  crash(): void;
  /** Removes what a pass has made that does not count: its part file, its result. */
  undo(key: TaskKey): void;
  /** An attempt has succeeded: its files are there. `reads`: names of what it was made from (versions.ts). */
  onDone(key: TaskKey, outcome: SlotOutcome, reads: ReadonlySet<string>, fragment: Uint8Array): void;
  /** Takes down what is read of the disk from now on; null: nobody does. */
  watchReads(reads: Set<string> | null): void;
  /** What the attempt adds to the accumulator of every program. */
  update(key: TaskKey): AccumulatorUpdate;
  below(n: number): number;
}

interface Running {
  readonly call: SlotRun;
  readonly fate: RunFate;
  readonly resolve: (outcome: SlotOutcome) => void;
  readonly reject: (error: Error) => void;
  /** Grows with every plan to go on: only the latest counts. */
  turn: number;
  /** Since when it waits for an answer; null: it computes. */
  waitingSinceMs: number | null;
  cancelSeen: boolean;
}

/** One for all: a stack is dear. */
const starved = new Error("the attempt waits for an answer");

class WatchedRow extends ControlRow {
  onWake: () => void = () => undefined;

  /** The cancel word without waking anybody. */
  set(run: number): void {
    const { onWake } = this;
    this.onWake = () => undefined;
    this.cancel(run);
    this.onWake = onWake;
  }

  override wake(): void {
    super.wake();
    this.onWake();
  }
}

export class SimulatedSlot implements SlotThread {
  control = new WatchedRow();
  #host: SlotHost | null = null;
  #port: ReplayPort | null = null;
  #running: Running | null = null;
  #starved = false;
  /** Of the pass that runs, or has ended last. */
  #reads = new Set<string>();
  readonly #fragments = new Map<string, Uint8Array>();
  readonly #settings: SlotSettings;

  constructor(
    readonly index: number,
    settings: Omit<SlotSettings, "slot">,
    private readonly events: SlotEvents,
    private readonly world: SlotWorld,
  ) {
    this.#settings = { ...settings, slot: index };
  }

  async start(): Promise<void> {
    await this.world.node.sleep(3 + this.world.below(10));
    await this.#init();
  }

  async run(call: SlotRun, ended: (at: number, outcome: SlotOutcome) => void): Promise<void> {
    await runInTurn(call, this.control, (one) => this.#runOne(one), toldOnly(ended));
  }

  takeBack(): number {
    return this.control.takeBack();
  }

  async #runOne(call: SlotRun): Promise<SlotOutcome> {
    if (this.#host === null) await this.start();
    const { node } = this.world;
    const fate = this.world.fate(call.launch.key);
    this.#port?.reset();
    if (call.fragment !== null) this.#fragments.set(call.launch.fragment, call.fragment);
    return new Promise((resolve, reject) => {
      const running = { call, fate, resolve, reject, turn: 0, waitingSinceMs: null, cancelSeen: false };
      this.#running = running;
      if (fate.end !== "hang") this.#goOn(running, fate.runMs * node.traits.slow);
    });
  }

  reply(reply: SlotReply): void {
    if (this.#port?.reply(reply) !== true) return;
    this.control.wake();
  }

  async terminate(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    this.#host = null;
    this.#port = null;
    this.control = new WatchedRow();
    await this.world.node.sleep(1 + this.world.below(30));
    running?.reject(new MillraceError("SLOT_DIED", "the simulated thread was ended", { fields: { slot: this.index } }));
  }

  async #init(): Promise<void> {
    this.#port = new ReplayPort(
      (message) => this.events.onMessage(this, message),
      (request) => {
        for (const read of readsOf(request)) this.#reads.add(read);
      },
    );
    this.#host = new SlotHost(false);
    this.control.onWake = () => this.#woken();
    await this.#host.call({
      kind: "init",
      settings: this.#settings,
      control: this.control.memory,
      port: this.#port as never,
    });
  }

  #goOn(running: Running, ms: number): void {
    const turn = ++running.turn;
    this.world.node.after(ms, () => {
      if (this.#running === running && running.turn === turn) void this.#pass(running);
    });
  }

  /** An answer has come, or the cancel word. */
  #woken(): void {
    const running = this.#running;
    if (running === null || running.fate.end === "hang") return;
    const cancelled = this.control.isCancelled(running.call.run);
    if (cancelled && !running.fate.deaf && !running.cancelSeen) {
      running.cancelSeen = true;
      this.#goOn(running, this.world.below(20));
    } else if (running.waitingSinceMs !== null) {
      running.waitingSinceMs = this.world.node.now;
      this.#goOn(running, 0);
    }
  }

  async #pass(running: Running): Promise<void> {
    const { call, fate } = running;
    const host = this.#host as SlotHost;
    const port = this.#port as ReplayPort;
    port.beginPass();
    const { received } = port;
    this.#starved = false;
    const { node } = this.world;
    const overdue =
      running.waitingSinceMs !== null && node.now - running.waitingSinceMs >= this.#settings.requestTimeoutMs;
    onBlocked(() => {
      if (overdue)
        throw new MillraceError("TIMEOUT", `nothing came within ${this.#settings.requestTimeoutMs} ms`, { fields: {} });
      this.#starved = true;
      throw starved;
    });
    this.#reads = new Set(call.cached.map((block) => cachedName(call.launch.key.session, block)));
    this.world.watchReads(this.#reads);
    this.world.arm(fate.disk);
    runAs(formatTaskKey(call.launch.key));
    // What is deaf has looked at its word for the last time before it was set.
    const { control } = this;
    const unheard = fate.deaf && control.isCancelled(call.run);
    if (unheard) control.set(0);
    let outcome: SlotOutcome;
    try {
      outcome = (await host.call(call)) as SlotOutcome;
    } finally {
      this.world.arm(null);
      this.world.watchReads(null);
      runAs(null);
      onBlocked(null);
      if (unheard) control.set(call.run);
    }
    if (this.#running !== running) return;
    if (fate.disk?.kind === "crash" && fate.disk.fired) return this.world.crash();
    if (this.#starved) {
      // What an unfinished pass has begun is begun again.
      this.world.undo(call.launch.key);
      running.waitingSinceMs ??= node.now;
      const left = this.#settings.requestTimeoutMs - (node.now - running.waitingSinceMs);
      this.#goOn(running, port.received > received ? 0 : Math.max(1, left));
      return;
    }
    this.#running = null;
    if (fate.crashAfter) return this.world.crash();
    port.endAttempt();
    if (fate.end === "death") {
      this.#host = null;
      running.reject(new MillraceError("SLOT_DIED", "the simulated thread ended", { fields: { slot: this.index } }));
    } else if (fate.end === "error" && outcome.kind === "succeeded") {
      this.world.undo(call.launch.key);
      const error = {
        code: "TASK_FAILED",
        message: `simulated, ${formatTaskKey(call.launch.key)}`,
        fields: {},
      } as const;
      running.resolve({ kind: "failed", error, metrics: {} });
    } else running.resolve(this.#finished(call, fate, outcome));
  }

  /** No real time passes in a pass: how long it took is its fate. */
  #finished({ launch }: SlotRun, { runMs }: RunFate, outcome: SlotOutcome): SlotOutcome {
    if (outcome.kind !== "succeeded") return outcome;
    const { key, fragment } = launch;
    this.world.onDone(key, outcome, this.#reads, this.#fragments.get(fragment) as Uint8Array);
    return {
      ...outcome,
      accumulators: [this.world.update(key)],
      metrics: { ...outcome.metrics, executorRunTime: runMs },
    };
  }
}
