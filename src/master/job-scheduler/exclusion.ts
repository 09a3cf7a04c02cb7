// Keeps tasks away from places where tasks failed, by Spark's counts: a task from the worker, then the node, on which it failed; a
// stage from a worker on which several of its tasks failed; a session, for a while, from a worker on which tasks failed in stages
// that succeeded in the end; everybody when two sessions agree. Never to the point of starving: where every worker is excluded
// for a task, it goes where it failed least. Counts: blame.ts.

import type { SessionId, WorkerId } from "../../core/ids.js";
import { type Exclusion, newStageBlame, type ProcessName, type SessionFailure, type StageBlame } from "./blame.js";
import type { ExclusionPolicy } from "./options.js";
import type { Place, Scheduling } from "./scheduling.js";
import type { LiveAttempt, StageRecord, TaskRecord } from "./state.js";

/** A session keeps away from a worker or node. */
interface Opinion {
  readonly session: SessionId;
  readonly untilMs: number;
  readonly reason: string;
}

export class Exclusions {
  readonly #shared: Scheduling;
  readonly #ofProcesses = new Map<ProcessName, Opinion[]>();
  readonly #ofNodes = new Map<string, Opinion[]>();

  constructor(shared: Scheduling) {
    this.#shared = shared;
  }

  /** An attempt failed, and its worker may be to blame. */
  failed(record: StageRecord, task: TaskRecord, at: LiveAttempt, message: string): void {
    const policy = record.job.session.policy.exclusion;
    if (policy === null) return;
    task.blamed = true;
    record.blame ??= newStageBlame();
    const { blame } = record;
    const { process, worker, node } = at;
    const here = blame.processes.get(process) ?? { worker, node, tasks: new Map<number, number>() };
    blame.processes.set(process, here);
    here.tasks.set(task.partition, (here.tasks.get(task.partition) ?? 0) + 1);
    if (here.tasks.size < policy.tasksOfStagePerWorker || blame.excluded.has(process)) return;
    blame.excluded.add(process);
    const name = record.stage.name;
    const reason = `${here.tasks.size} tasks of "${name}" failed there, the last one: ${message}`;
    this.#tell(record, { scope: "stage", worker, node, reason, forMs: null });
    const onNode = [...blame.excluded].filter((one) => blame.processes.get(one)?.node === node).length;
    if (onNode < policy.workersOfStagePerNode || blame.excludedNodes.has(node)) return;
    blame.excludedNodes.add(node);
    const why = `${onNode} of its workers are excluded for "${name}"`;
    this.#tell(record, { scope: "stage", worker: null, node, reason: why, forMs: null });
  }

  /** Its failures were not the program's fault: they are held against their workers from now on. */
  stageSucceeded(record: StageRecord): void {
    const { blame, stage } = record;
    const policy = record.job.session.policy.exclusion;
    record.blame = null;
    if (blame === null || policy === null) return;
    const { now } = this.#shared;
    const { failures } = record.job.session.blame;
    for (const [process, { worker, node, tasks }] of blame.processes) {
      const before = (failures.get(process) ?? []).filter((one) => one.stage !== stage.id && !isOld(one, policy, now));
      const all = [...before, ...[...tasks.keys()].map((partition) => ({ stage: stage.id, partition, atMs: now }))];
      failures.set(process, all);
      if (all.length < policy.tasksOfSessionPerWorker) continue;
      const reason = `${all.length} tasks failed there in stages that succeeded in the end`;
      this.#exclude(record, process, worker, node, reason, policy);
    }
  }

  /** Whether the stage (`task` null) or the task is kept away from the worker. */
  excludes(record: StageRecord, task: TaskRecord | null, worker: WorkerId): boolean {
    const place = this.#shared.ports.worker(worker);
    return place !== null && this.#against(record, task, place) > 0;
  }

  /** As not excluded; also where it failed least, when every worker that is there is excluded. */
  allows(record: StageRecord, task: TaskRecord | null, worker: WorkerId): boolean {
    if (record.blame === null && this.#ofProcesses.size === 0) return true;
    const place = this.#shared.ports.worker(worker);
    if (place === null) return true;
    const here = this.#against(record, task, place);
    if (here === 0) return true;
    for (const other of this.#shared.ports.launchable()) if (this.#against(record, task, other) < here) return false;
    return true;
  }

  /** What keeps whose tasks away from a worker. */
  of({ worker, node, process }: Place): (Exclusion & { readonly session: SessionId | null })[] {
    const { now } = this.#shared;
    const found: (Exclusion & { readonly session: SessionId | null })[] = [];
    const ofWorker = { who: worker, opinions: this.#ofProcesses.get(process) };
    for (const { who, opinions } of [ofWorker, { who: null, opinions: this.#ofNodes.get(node) }]) {
      for (const { session, untilMs, reason } of opinions ?? [])
        if (untilMs > now) found.push({ scope: "session", session, worker: who, node, reason, forMs: untilMs - now });
      const forMs = agreedUntil(opinions, now) - now;
      if (forMs > 0) found.push({ scope: "cluster", session: null, worker: who, node, reason: AGREED, forMs });
    }
    for (const session of this.#shared.sessions.values()) {
      for (const job of session.jobs.values()) {
        for (const { blame, stage } of job.stages.values()) {
          if (blame?.excluded.has(process) !== true && blame?.excludedNodes.has(node) !== true) continue;
          const failed = blame.processes.get(process)?.tasks.size ?? 0;
          const reason = `${failed} tasks of "${stage.name}" failed there`;
          found.push({ scope: "stage", session: session.id, worker, node, reason, forMs: null });
        }
      }
    }
    return found;
  }

  #exclude(
    record: StageRecord,
    process: ProcessName,
    worker: WorkerId,
    node: string,
    reason: string,
    policy: ExclusionPolicy,
  ): void {
    const { now } = this.#shared;
    const untilMs = now + policy.timeoutMs;
    if (!this.#hold(this.#ofProcesses, process, record, { worker, node, reason, untilMs })) return;
    const { excludedByNode } = record.job.session.blame;
    const onNode = excludedByNode.get(node) ?? new Map<ProcessName, number>();
    excludedByNode.set(node, onNode.set(process, untilMs));
    for (const [one, until] of onNode) if (until <= now) onNode.delete(one);
    if (onNode.size < policy.workersOfSessionPerNode) return;
    const why = `the session keeps away from ${onNode.size} of its workers`;
    this.#hold(this.#ofNodes, node, record, { worker: null, node, reason: why, untilMs });
  }

  /** false when the session held this already. */
  #hold<K>(
    all: Map<K, Opinion[]>,
    key: K,
    record: StageRecord,
    { worker, node, reason, untilMs }: Pick<Exclusion, "worker" | "node" | "reason"> & { readonly untilMs: number },
  ): boolean {
    const { now } = this.#shared;
    const session = record.job.session.id;
    const held = (all.get(key) ?? []).filter((one) => one.untilMs > now);
    if (held.some((one) => one.session === session)) return false;
    all.set(key, [...held, { session, untilMs, reason }]);
    this.#tell(record, { scope: "session", worker, node, reason, forMs: untilMs - now });
    const agreed = agreedUntil(all.get(key), now);
    if (held.length === 1) this.#tell(record, { scope: "cluster", worker, node, reason: AGREED, forMs: agreed - now });
    return true;
  }

  /** 0: nothing. Else more where more failed. */
  #against(record: StageRecord, task: TaskRecord | null, { node, process }: Place): number {
    const { session } = record.job;
    const policy = session.policy.exclusion;
    if (policy === null) return 0;
    const { blame } = record;
    const { now } = this.#shared;
    const here = blame?.processes.get(process);
    let excluded =
      blame?.excluded.has(process) === true ||
      blame?.excludedNodes.has(node) === true ||
      holds(this.#ofProcesses.get(process), session.id, now) ||
      holds(this.#ofNodes.get(node), session.id, now);
    let mine = 0;
    let onNode = 0;
    if (task?.blamed === true && blame !== null) {
      mine = here?.tasks.get(task.partition) ?? 0;
      onNode = failedOnNode(blame, task.partition, node);
      excluded ||= mine >= policy.attemptsOfTaskPerWorker || onNode >= policy.attemptsOfTaskPerNode;
    }
    return excluded ? 1 + mine * 1e9 + onNode * 1e6 + (here?.tasks.size ?? 0) : 0;
  }

  #tell({ job }: StageRecord, exclusion: Exclusion): void {
    this.#shared.ports.emit({ kind: "workerExcluded", session: job.session.id, ...exclusion });
  }
}

const AGREED = "two sessions keep away from it";

function isOld({ atMs }: SessionFailure, { timeoutMs }: ExclusionPolicy, now: number): boolean {
  return now - atMs >= timeoutMs;
}

function holds(opinions: readonly Opinion[] | undefined, session: SessionId, now: number): boolean {
  if (opinions === undefined) return false;
  return opinions.some((one) => one.session === session && one.untilMs > now) || agreedUntil(opinions, now) > now;
}

/** As long as two sessions hold the same. */
function agreedUntil(opinions: readonly Opinion[] | undefined, now: number): number {
  const ends = (opinions ?? []).map(({ untilMs }) => untilMs).sort((a, b) => b - a);
  return ends[1] ?? now;
}

function failedOnNode(blame: StageBlame, partition: number, node: string): number {
  let sum = 0;
  for (const one of blame.processes.values()) if (one.node === node) sum += one.tasks.get(partition) ?? 0;
  return sum;
}
