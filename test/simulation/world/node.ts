// A process in the virtual world: it has a clock of its own that drifts, runs fast or slow, may be stopped for a while (SIGSTOP:
// nothing happens, then all at once) and ends: what was due of it then never happens.

import type { VirtualClock } from "./clock.js";
import { enter } from "./runtime.js";

export interface Timer {
  stop(): void;
  unref(): Timer;
  ref(): Timer;
}

export interface NodeTraits {
  readonly name: string;
  /** Nodes of one machine share its disk and see each other's files. */
  readonly machine: string;
  /** How fast its clock goes; 1.01: a second too many in a hundred. */
  readonly rate: number;
  /** What its wall clock is ahead. */
  readonly aheadMs: number;
  /** What takes 1 ms elsewhere takes so long here. */
  readonly slow: number;
}

/** 2026-01-01, where all wall clocks begin. */
const EPOCH_MS = 1_767_225_600_000;

/** Numbers of processes, one world. */
export class Processes {
  readonly #alive = new Set<number>();
  #last = 100;

  start(): number {
    const pid = ++this.#last;
    this.#alive.add(pid);
    return pid;
  }

  end(pid: number): void {
    this.#alive.delete(pid);
  }

  lives(pid: number): boolean {
    return this.#alive.has(pid);
  }
}

export class SimulatedNode {
  /** Grows with every end: what belongs to an earlier life is void. */
  life = 0;
  alive = false;
  pid = 0;
  /** Its machine is down: nobody there says that nothing listens. */
  isSilent = false;
  /** When a stop ended last, or will end. */
  lastStopMs = -1;
  #stoppedUntil = 0;
  #held: (() => void)[] = [];

  constructor(
    readonly traits: NodeTraits,
    readonly clock: VirtualClock,
    readonly processes: Processes,
    /** Something was thrown that nothing caught: a real process would have ended. */
    private readonly onUncaught: (node: SimulatedNode, error: unknown) => void,
  ) {}

  get name(): string {
    return this.traits.name;
  }

  /** Monotonic, in ms. */
  get now(): number {
    return this.clock.now * this.traits.rate;
  }

  get wallMs(): number {
    return EPOCH_MS + this.traits.aheadMs + this.now;
  }

  get isStopped(): boolean {
    return this.clock.now < this.#stoppedUntil;
  }

  lives(pid: number): boolean {
    return this.processes.lives(pid);
  }

  /** A process of this node starts. */
  start(): void {
    this.alive = true;
    this.isSilent = false;
    this.pid = this.processes.start();
  }

  /** Its process ends, whatever it was doing. */
  end(silently = false): void {
    this.alive = false;
    this.isSilent = silently;
    this.life++;
    this.processes.end(this.pid);
    this.#held = [];
    this.#stoppedUntil = 0;
  }

  /** SIGSTOP, and SIGCONT after `ms`. */
  stop(ms: number): void {
    this.#stoppedUntil = Math.max(this.#stoppedUntil, this.clock.now + ms);
    this.lastStopMs = this.#stoppedUntil;
    this.clock.after(ms, () => this.#continue());
  }

  /** Runs `act` as a step of this node, in `ms` of the world's time; never after its end. */
  after(ms: number, act: () => void): void {
    const { life } = this;
    this.clock.after(ms, () => this.step(life, act));
  }

  timer(act: () => void, ms: number, again: boolean): Timer {
    let stopped = false;
    const arm = () =>
      this.after(ms / this.traits.rate, () => {
        if (stopped) return;
        if (again) arm();
        act();
      });
    arm();
    const timer: Timer = {
      stop: () => {
        stopped = true;
      },
      unref: () => timer,
      ref: () => timer,
    };
    return timer;
  }

  /** A promise that is kept in so many ms of the world's time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  step(life: number, act: () => void): void {
    if (life !== this.life) return;
    if (this.isStopped) {
      this.#held.push(() => this.step(life, act));
      return;
    }
    enter(this);
    try {
      act();
    } catch (error) {
      this.onUncaught(this, error);
    }
  }

  /** What was due meanwhile happens now, each as a step of its own. */
  #continue(): void {
    if (this.isStopped) return;
    const held = this.#held;
    this.#held = [];
    for (const act of held) this.clock.after(0, act);
  }
}
