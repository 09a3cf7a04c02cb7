// Decides which pending task goes to which worker: fair between sessions (fewest running attempts first), inside one by its pools
// (pools.ts; FIFO by job where there are none), best locality first and others only after the wait; second attempts of slow tasks
// come last. First every slot gets a task, by turns; then short tasks are queued ahead on workers, so that a slot never waits a
// round trip for its next one. A step costs O(sessions and running stages), never O(tasks).

import type { SessionId, StageId, TaskKey, WorkerId } from "../../core/ids.js";
import type { PoolDefinitions } from "../../core/scheduler-pools.js";
import type { Locality } from "../../protocol/tasks.js";
import type { TaskAssignerOptions } from "./options.js";
import { type PoolScheme, type PoolSnapshot, SessionPools } from "./pools.js";
import { Fifo, type StageGate, type StageQueue } from "./state.js";

/** A worker that may get launches. */
export interface Capacity {
  readonly worker: WorkerId;
  readonly node: string;
  readonly slots: number;
  /** Attempts that it holds. */
  inFlight: number;
  /** Nothing may be queued ahead on it. */
  readonly stalled: boolean;
}

export interface Preference {
  readonly worker: WorkerId;
  readonly node: string;
}

export interface Assignment {
  readonly worker: WorkerId;
  readonly session: SessionId;
  readonly stage: StageId;
  readonly partition: number;
  readonly locality: Locality;
  /** Partitions that run after it in the same slot, in this order: one launch. */
  readonly more: readonly number[];
}

interface SessionQueue {
  readonly pools: SessionPools;
  /** Attempts on workers now: the session with the fewest is served first. */
  running: number;
  readonly localityWaitMs: number;
  readonly groupMs: number;
}

interface SessionChoices {
  readonly localityWaitMs?: number;
  readonly groupMs?: number;
  readonly pools?: PoolScheme;
}

/** How fast a stage's mean follows its latest tasks. */
const MEAN_WEIGHT = 0.2;
/** Tasks are never taken to be shorter: dispatch alone costs about this. */
const MIN_TASK_MS = 0.05;
/** Choosy tasks that one step looks at: a stage whose tasks all fail has many. */
const MAX_CHOOSY_LOOKS = 64;
/** Tasks of one launch. */
const MAX_GROUP = 64;

export class TaskAssigner {
  readonly #options: TaskAssignerOptions;
  readonly #sessions = new Map<SessionId, SessionQueue>();
  #pending = 0;
  /** Of the workers that the present step is for. */
  #slots = 0;

  constructor(options: TaskAssignerOptions) {
    this.#options = options;
  }

  /** Tasks that wait, over all sessions. */
  get pending(): number {
    return this.#pending;
  }

  /** `scheduling`: what the session chooses for itself. */
  open(session: SessionId, scheduling: SessionChoices = {}): void {
    const { localityWaitMs = this.#options.localityWaitMs, groupMs = this.#options.groupMs, pools } = scheduling;
    this.#sessions.set(session, { pools: new SessionPools(pools), running: 0, localityWaitMs, groupMs });
  }

  close(session: SessionId): void {
    for (const stage of this.#sessions.get(session)?.pools.queues() ?? []) this.#pending -= waiting(stage);
    this.#sessions.delete(session);
  }

  definePools(session: SessionId, pools: PoolDefinitions): void {
    this.#sessions.get(session)?.pools.define(pools);
  }

  /** None where the session schedules FIFO. */
  pools(session: SessionId): PoolSnapshot[] {
    return this.#sessions.get(session)?.pools.snapshot() ?? [];
  }

  /** The stage's tasks may be launched from now on. `pool`: that of its job; by default "default". */
  addStage(session: SessionId, job: number, stage: StageId, gate: StageGate, now: number, pool?: string): void {
    const queue: StageQueue = {
      job,
      stage,
      gate,
      pending: 0,
      choosy: new Set(),
      copies: new Set(),
      byWorker: new Map(),
      byNode: new Map(),
      preferring: new Fifo(),
      anywhere: new Fifo(),
      localSinceMs: now,
      meanTaskMs: null,
    };
    this.#sessions.get(session)?.pools.addStage(queue, pool);
  }

  removeStage(session: SessionId, stage: StageId): void {
    const queue = this.#sessions.get(session)?.pools.removeStage(stage) ?? null;
    if (queue !== null) this.#pending -= waiting(queue);
  }

  /** A task became pending. `choosy`: not every worker will do. Nothing happens while its stage is not open here. */
  add(
    session: SessionId,
    stage: StageId,
    partition: number,
    preferences: readonly Preference[],
    choosy: boolean = false,
  ): void {
    const queue = this.#find(session, stage);
    if (queue === null) return;
    queue.pending++;
    this.#pending++;
    if (choosy) {
      queue.choosy.add(partition);
      return;
    }
    if (preferences.length === 0) queue.anywhere.push(partition);
    else queue.preferring.push(partition);
    for (const { worker, node } of preferences) {
      fifoOf(queue.byWorker, worker).push(partition);
      fifoOf(queue.byNode, node).push(partition);
    }
  }

  /** A running task shall have a second attempt. */
  addCopy(session: SessionId, stage: StageId, partition: number): void {
    const queue = this.#find(session, stage);
    if (queue === null || queue.copies.has(partition)) return;
    queue.copies.add(partition);
    this.#pending++;
  }

  dropCopy(session: SessionId, stage: StageId, partition: number): void {
    if (this.#find(session, stage)?.copies.delete(partition)) this.#pending--;
  }

  /** An attempt is off its worker. */
  left({ session, stage }: TaskKey): void {
    const queue = this.#sessions.get(session);
    if (queue === undefined) return;
    queue.running--;
    queue.pools.count(stage, -1);
  }

  /** `held`: every attempt that is counted on some worker. */
  validate(held: Iterable<TaskKey>): string[] {
    const counts = new Map<string, number>();
    for (const { session, stage } of held) {
      for (const name of [session, `${session}/${stage}`]) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const compare = (name: string, counted: number) =>
      counted === (counts.get(name) ?? 0)
        ? []
        : [`the assigner counts ${counted} attempts of ${name}, workers hold ${counts.get(name) ?? 0}`];
    return [...this.#sessions].flatMap(([session, { pools, running }]) => [
      ...compare(session, running),
      ...[...pools.stages].flatMap((stage) => compare(`${session}/${stage}`, pools.running(stage))),
      ...pools.validate(),
    ]);
  }

  measured(session: SessionId, stage: StageId, runMs: number): void {
    const queue = this.#find(session, stage);
    if (queue === null) return;
    queue.meanTaskMs = queue.meanTaskMs === null ? runMs : queue.meanTaskMs + MEAN_WEIGHT * (runMs - queue.meanTaskMs);
  }

  /** Takes tasks off the queues for these workers; `inFlight` and the sessions' counts grow with them. */
  assign(
    workers: readonly Capacity[],
    sharesNodes: boolean,
    now: number,
    onAssigned: (assignment: Assignment) => void,
  ): void {
    if (this.#pending === 0) return;
    this.#slots = workers.reduce((sum, { slots }) => sum + slots, 0);
    this.#rounds(workers, (worker) => worker.slots, sharesNodes, now, onAssigned);
    this.#placeCopies(workers, onAssigned);
    if (this.#pending === 0) return;
    const depth = this.#aheadPerSlot();
    // In launches, however many tasks each has.
    if (depth === 0) return;
    const ahead = (worker: Capacity) => worker.slots + Math.min(this.#options.maxQueueAhead, depth * worker.slots);
    // Refilled when half empty: one message carries many launches.
    const low = workers.filter(
      (worker) => !worker.stalled && worker.inFlight - worker.slots <= (ahead(worker) - worker.slots) / 2,
    );
    this.#rounds(low, ahead, sharesNodes, now, onAssigned);
  }

  /** Slots that no task wants. */
  #placeCopies(workers: readonly Capacity[], onAssigned: (assignment: Assignment) => void): void {
    for (const [session, queue] of this.#sessions) {
      for (const { stage, copies, gate } of queue.pools.queues()) {
        for (const partition of copies) {
          const worker = workers.find((one) => one.inFlight < one.slots && gate.allowsCopy(partition, one.worker));
          if (worker === undefined) continue;
          copies.delete(partition);
          this.#pending--;
          queue.running++;
          queue.pools.count(stage, 1);
          worker.inFlight++;
          onAssigned({ worker: worker.worker, session, stage, partition, locality: "ANY", more: [] });
        }
      }
    }
  }

  /** Launches a slot does in the time that is queued ahead, by the stage with pending tasks that has the fewest of them. */
  #aheadPerSlot(): number {
    let fewest = Number.POSITIVE_INFINITY;
    for (const session of this.#sessions.values()) {
      for (const stage of session.pools.queues()) {
        if (stage.pending === 0) continue;
        if (stage.meanTaskMs === null) return 0;
        const tasks = Math.floor(this.#options.queueAheadMs / Math.max(stage.meanTaskMs, MIN_TASK_MS));
        fewest = Math.min(fewest, Math.ceil(tasks / this.#groupSize(stage, session.groupMs)));
      }
    }
    return fewest === Number.POSITIVE_INFINITY ? 0 : fewest;
  }

  /** One task a worker and turn, until every worker is at its limit or nothing can be placed. */
  #rounds(
    workers: readonly Capacity[],
    limit: (worker: Capacity) => number,
    sharesNodes: boolean,
    now: number,
    onAssigned: (assignment: Assignment) => void,
  ): void {
    let open = workers.filter((worker) => worker.inFlight < limit(worker));
    while (open.length > 0 && this.#pending > 0) {
      open = open.filter((worker) => {
        const assignment = this.#next(worker, sharesNodes, now);
        if (assignment === null) return false;
        worker.inFlight++;
        onAssigned(assignment);
        return worker.inFlight < limit(worker);
      });
    }
  }

  #next(worker: Capacity, sharesNodes: boolean, now: number): Assignment | null {
    const sessions = [...this.#sessions].filter(([, queue]) => !queue.pools.isEmpty);
    if (sessions.length > 1) sessions.sort(([, a], [, b]) => a.running - b.running);
    for (const [session, queue] of sessions) {
      for (const stage of queue.pools.order()) {
        const taken = this.#take(stage, worker, queue.localityWaitMs, sharesNodes, now);
        if (taken === null) continue;
        const more = taken.locality === "NO_PREF" ? this.#group(stage, taken.partition, queue.groupMs) : [];
        stage.pending -= 1 + more.length;
        this.#pending -= 1 + more.length;
        queue.running++;
        queue.pools.count(stage.stage, 1);
        return { worker: worker.worker, session, stage: stage.stage, ...taken, more };
      }
    }
    return null;
  }

  /** The partitions next to `first` that make a launch with it. What is left of them in the queues is passed over later. */
  #group(stage: StageQueue, first: number, groupMs: number): number[] {
    const { gate, choosy } = stage;
    const size = this.#groupSize(stage, groupMs);
    const more: number[] = [];
    for (let next = first + 1; more.length < size - 1; next++) {
      if (choosy.has(next) || !gate.mayFollow(first, next)) break;
      more.push(next);
    }
    return more;
  }

  #groupSize({ gate, meanTaskMs, pending }: StageQueue, groupMs: number): number {
    if (!gate.groups || meanTaskMs === null) return 1;
    const byTime = Math.floor(groupMs / Math.max(meanTaskMs, MIN_TASK_MS));
    return Math.max(1, Math.min(byTime, MAX_GROUP, Math.ceil((this.#options.groupShare * pending) / this.#slots)));
  }

  #take(
    stage: StageQueue,
    worker: Capacity,
    localityWaitMs: number,
    sharesNodes: boolean,
    now: number,
  ): { partition: number; locality: Locality } | null {
    const at = (partition: number | null | undefined, locality: Locality) =>
      partition === null || partition === undefined ? null : { partition, locality };
    const retried = takeChoosy(stage, worker.worker);
    if (retried !== null) return { partition: retried, locality: "ANY" };
    if (!stage.gate.allows(worker.worker)) return null;
    // An entry of an earlier attempt may name a task that is choosy now.
    const isPending = (partition: number) => !stage.choosy.has(partition) && stage.gate.isPending(partition);
    const best = at(stage.byWorker.get(worker.worker)?.take(isPending), "PROCESS_LOCAL");
    if (best !== null) {
      stage.localSinceMs = now;
      return best;
    }
    const free = at(stage.anywhere.take(isPending), "NO_PREF");
    if (free !== null) return free;
    const waited = now - stage.localSinceMs;
    if (waited < localityWaitMs) return null;
    const near = sharesNodes ? at(stage.byNode.get(worker.node)?.take(isPending), "NODE_LOCAL") : null;
    if (near !== null) return near;
    if (sharesNodes && waited < 2 * localityWaitMs) return null;
    return at(stage.preferring.take(isPending), "ANY");
  }

  #find(session: SessionId, stage: StageId): StageQueue | null {
    return this.#sessions.get(session)?.pools.find(stage) ?? null;
  }
}

function waiting({ pending, copies }: StageQueue): number {
  return pending + copies.size;
}

/** The first of the choosy tasks, of those looked at, for which the worker will do. */
function takeChoosy({ choosy, gate }: StageQueue, worker: WorkerId): number | null {
  let looked = 0;
  for (const partition of choosy) {
    // Its output came back with its worker since it was put in line.
    if (!gate.isPending(partition)) {
      choosy.delete(partition);
      continue;
    }
    if (looked++ === MAX_CHOOSY_LOOKS) return null;
    if (!gate.allowsTask(partition, worker)) continue;
    choosy.delete(partition);
    return partition;
  }
  return null;
}

function fifoOf<K>(map: Map<K, Fifo>, key: K): Fifo {
  const known = map.get(key) ?? new Fifo();
  map.set(key, known);
  return known;
}
