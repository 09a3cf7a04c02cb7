// The pools of one session: which of its stages is served next, and what runs of each. A session that schedules FIFO has one
// pool, whatever its jobs name. A pool that nobody has defined is made when a job names it, with weight 1 and no least share,
// and goes with the last attempt of its jobs. Attempts are counted where they were launched from until they are off their worker,
// which may be after their stage and job.

import type { StageId } from "../../core/ids.js";
import {
  DEFAULT_POOL,
  type PoolDefinition,
  type PoolDefinitions,
  type SchedulingMode,
  usualPool,
} from "../../core/scheduler-pools.js";
import { compareFair } from "./fair-order.js";
import type { StageQueue } from "./state.js";

/** How a session's jobs share its slots. Options `scheduler.mode`, `scheduler.pools`. */
export interface PoolScheme {
  readonly mode: SchedulingMode;
  readonly pools: PoolDefinitions;
}

export const defaultPoolScheme: PoolScheme = { mode: "FIFO", pools: {} };

export interface PoolSnapshot {
  readonly name: string;
  readonly mode: SchedulingMode;
  readonly weight: number;
  readonly minShare: number;
  /** Attempts on workers, those that wait there for a slot too. */
  readonly running: number;
  /** Tasks that wait. */
  readonly pending: number;
}

interface Pool {
  readonly name: string;
  mode: SchedulingMode;
  weight: number;
  minShare: number;
  running: number;
  /** By job, then stage. */
  readonly stages: StageQueue[];
}

/** Of one stage, as long as it waits for slots or anything of it runs. */
interface StageCount {
  readonly pool: Pool;
  running: number;
  queue: StageQueue | null;
}

export class SessionPools {
  /** null: the session schedules FIFO. */
  readonly #defined: Map<string, PoolDefinition> | null;
  readonly #pools = new Map<string, Pool>();
  readonly #stages = new Map<StageId, StageCount>();

  constructor({ mode, pools }: PoolScheme = defaultPoolScheme) {
    this.#defined = mode === "FAIR" ? new Map(Object.entries(pools)) : null;
  }

  /** Adds pools, and gives those that are there other values: from the next task on. */
  define(pools: PoolDefinitions): void {
    if (this.#defined === null) return;
    for (const [name, definition] of Object.entries(pools)) {
      this.#defined.set(name, definition);
      const pool = this.#pools.get(name);
      if (pool !== undefined) Object.assign(pool, usualPool, definition);
    }
  }

  addStage(queue: StageQueue, name: string = DEFAULT_POOL): void {
    const known = this.#stages.get(queue.stage);
    const pool = known?.pool ?? this.#pool(name);
    if (known === undefined) this.#stages.set(queue.stage, { pool, running: 0, queue });
    else known.queue = queue;
    const { job, stage } = queue;
    const after = pool.stages.findIndex((other) => other.job > job || (other.job === job && other.stage > stage));
    pool.stages.splice(after < 0 ? pool.stages.length : after, 0, queue);
  }

  removeStage(stage: StageId): StageQueue | null {
    const count = this.#stages.get(stage);
    const queue = count?.queue ?? null;
    if (count === undefined || queue === null) return null;
    count.queue = null;
    count.pool.stages.splice(count.pool.stages.indexOf(queue), 1);
    this.#tidy(stage, count);
    return queue;
  }

  find(stage: StageId): StageQueue | null {
    return this.#stages.get(stage)?.queue ?? null;
  }

  /** An attempt was launched (+1) or is off its worker (-1). */
  count(stage: StageId, change: 1 | -1): void {
    const count = this.#stages.get(stage);
    if (count === undefined) return;
    count.running += change;
    count.pool.running += change;
    if (change < 0) this.#tidy(stage, count);
  }

  running(stage: StageId): number {
    return this.#stages.get(stage)?.running ?? 0;
  }

  /** Stages that have anything running, or wait. */
  get stages(): Iterable<StageId> {
    return this.#stages.keys();
  }

  get isEmpty(): boolean {
    for (const pool of this.#pools.values()) if (pool.stages.length > 0) return false;
    return true;
  }

  *queues(): Generator<StageQueue> {
    for (const pool of this.#pools.values()) yield* pool.stages;
  }

  /** Stages with waiting tasks in the order in which they are served; it holds until something is launched or ends. */
  *order(): Generator<StageQueue> {
    if (this.#defined === null) {
      for (const queue of this.#pools.get(DEFAULT_POOL)?.stages ?? []) if (queue.pending > 0) yield queue;
      return;
    }
    const waiting = [...this.#pools.values()].filter(({ stages }) => stages.some(({ pending }) => pending > 0));
    if (waiting.length > 1) waiting.sort(compareFair);
    for (const { mode, stages } of waiting) {
      const queues = mode === "FIFO" || stages.length === 1 ? stages : this.#fairly(stages);
      for (const queue of queues) if (queue.pending > 0) yield queue;
    }
  }

  snapshot(): PoolSnapshot[] {
    if (this.#defined === null) return [];
    const names = new Set([DEFAULT_POOL, ...this.#defined.keys(), ...this.#pools.keys()]);
    return [...names].sort().map((name) => {
      const { mode, weight, minShare } = this.#definition(name);
      const pool = this.#pools.get(name);
      const pending = pool?.stages.reduce((sum, queue) => sum + queue.pending, 0) ?? 0;
      return { name, mode, weight, minShare, running: pool?.running ?? 0, pending };
    });
  }

  validate(): string[] {
    return [...this.#pools.values()].flatMap((pool) => {
      const mine = [...this.#stages.values()].filter((count) => count.pool === pool);
      const running = mine.reduce((sum, count) => sum + count.running, 0);
      const open = mine.filter(({ queue }) => queue !== null).length;
      const problems: string[] = [];
      if (running !== pool.running) problems.push(`pool ${pool.name} counts ${pool.running} attempts, not ${running}`);
      if (open !== pool.stages.length) problems.push(`pool ${pool.name} has ${pool.stages.length} stages, not ${open}`);
      return problems;
    });
  }

  /** Stages have no weights: the fewest running attempts first, of equals the earlier one. */
  #fairly(stages: readonly StageQueue[]): StageQueue[] {
    return [...stages].sort((a, b) => this.running(a.stage) - this.running(b.stage));
  }

  #pool(asked: string): Pool {
    const name = this.#defined === null ? DEFAULT_POOL : asked;
    const known = this.#pools.get(name);
    if (known !== undefined) return known;
    const pool: Pool = { name, ...this.#definition(name), running: 0, stages: [] };
    this.#pools.set(name, pool);
    return pool;
  }

  #definition(name: string): Required<PoolDefinition> {
    return { ...usualPool, ...this.#defined?.get(name) };
  }

  #tidy(stage: StageId, { running, queue, pool }: StageCount): void {
    if (running > 0 || queue !== null) return;
    this.#stages.delete(stage);
    if (pool.running === 0 && pool.stages.length === 0) this.#pools.delete(pool.name);
  }
}
