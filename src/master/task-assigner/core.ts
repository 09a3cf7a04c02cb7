// Decides which pending task goes to which worker: fair between sessions (fewest running attempts first), FIFO by job inside
// one, best locality first and others only after the wait; second attempts of slow tasks come last. First every slot gets a task, by turns; then short tasks are
// queued ahead on workers, so that a slot never waits a round trip for its next one. A step costs O(sessions), never O(tasks).

import type { SessionId, StageId, WorkerId } from "../../core/ids.js";
import type { Locality } from "../../protocol/tasks.js";
import type { TaskAssignerOptions } from "./options.js";
import { Fifo, type SessionQueue, type StageGate, type StageQueue } from "./state.js";

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
}

/** How fast a stage's mean follows its latest tasks. */
const MEAN_WEIGHT = 0.2;
/** Tasks are never taken to be shorter: dispatch alone costs about this. */
const MIN_TASK_MS = 0.05;
/** Choosy tasks that one step looks at: a stage whose tasks all fail has many. */
const MAX_CHOOSY_LOOKS = 64;

export class TaskAssigner {
  readonly #options: TaskAssignerOptions;
  readonly #sessions = new Map<SessionId, SessionQueue>();
  #pending = 0;

  constructor(options: TaskAssignerOptions) {
    this.#options = options;
  }

  /** Tasks that wait, over all sessions. */
  get pending(): number {
    return this.#pending;
  }

  open(session: SessionId, localityWaitMs: number = this.#options.localityWaitMs): void {
    this.#sessions.set(session, { stages: [], running: 0, localityWaitMs });
  }

  close(session: SessionId): void {
    for (const stage of this.#sessions.get(session)?.stages ?? []) this.#pending -= waiting(stage);
    this.#sessions.delete(session);
  }

  /** The stage's tasks may be launched from now on. */
  addStage(session: SessionId, job: number, stage: StageId, gate: StageGate, now: number): void {
    const stages = this.#sessions.get(session)?.stages ?? [];
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
    const after = stages.findIndex((other) => other.job > job || (other.job === job && other.stage > stage));
    stages.splice(after < 0 ? stages.length : after, 0, queue);
  }

  removeStage(session: SessionId, stage: number): void {
    const stages = this.#sessions.get(session)?.stages ?? [];
    const at = stages.findIndex((queue) => queue.stage === stage);
    if (at < 0) return;
    this.#pending -= waiting(stages[at] as StageQueue);
    stages.splice(at, 1);
  }

  /** A task became pending. `choosy`: not every worker will do. Nothing happens while its stage is not open here. */
  add(
    session: SessionId,
    stage: number,
    partition: number,
    preferences: readonly Preference[],
    choosy: boolean = false,
  ): void {
    const queue = this.#find(session, stage);
    if (queue === undefined) return;
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
  addCopy(session: SessionId, stage: number, partition: number): void {
    const queue = this.#find(session, stage);
    if (queue === undefined || queue.copies.has(partition)) return;
    queue.copies.add(partition);
    this.#pending++;
  }

  dropCopy(session: SessionId, stage: number, partition: number): void {
    if (this.#find(session, stage)?.copies.delete(partition)) this.#pending--;
  }

  /** An attempt was launched (+1) or is off its worker (-1). */
  count(session: SessionId, change: 1 | -1): void {
    const queue = this.#sessions.get(session);
    if (queue !== undefined) queue.running += change;
  }

  measured(session: SessionId, stage: number, runMs: number): void {
    const queue = this.#find(session, stage);
    if (queue === undefined) return;
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
    this.#rounds(workers, (worker) => worker.slots, sharesNodes, now, onAssigned);
    this.#placeCopies(workers, onAssigned);
    if (this.#pending === 0) return;
    const depth = this.#aheadPerSlot();
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
      for (const { stage, copies, gate } of queue.stages) {
        for (const partition of copies) {
          const worker = workers.find((one) => one.inFlight < one.slots && gate.allowsCopy(partition, one.worker));
          if (worker === undefined) continue;
          copies.delete(partition);
          this.#pending--;
          queue.running++;
          worker.inFlight++;
          onAssigned({ worker: worker.worker, session, stage, partition, locality: "ANY" });
        }
      }
    }
  }

  /** Tasks a slot does in the time that is queued ahead, by the slowest stage that has pending tasks. */
  #aheadPerSlot(): number {
    let slowest = 0;
    for (const session of this.#sessions.values()) {
      for (const stage of session.stages) {
        if (stage.pending === 0) continue;
        if (stage.meanTaskMs === null) return 0;
        slowest = Math.max(slowest, stage.meanTaskMs, MIN_TASK_MS);
      }
    }
    return slowest === 0 ? 0 : Math.floor(this.#options.queueAheadMs / slowest);
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
    const sessions = [...this.#sessions].filter(([, queue]) => queue.stages.length > 0);
    if (sessions.length > 1) sessions.sort(([, a], [, b]) => a.running - b.running);
    for (const [session, queue] of sessions) {
      for (const stage of queue.stages) {
        if (stage.pending === 0) continue;
        const taken = this.#take(stage, worker, queue.localityWaitMs, sharesNodes, now);
        if (taken === null) continue;
        stage.pending--;
        this.#pending--;
        queue.running++;
        return { worker: worker.worker, session, stage: stage.stage, ...taken };
      }
    }
    return null;
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

  #find(session: SessionId, stage: number): StageQueue | undefined {
    return this.#sessions.get(session)?.stages.find((queue) => queue.stage === stage);
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
