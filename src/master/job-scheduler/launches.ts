// The launch of a task: everything that an attempt needs to know, as it is now.

import type { Stage } from "../../plan/stages.js";
import type { CacheGeneration, FollowingTask, TaskLaunch, ValueInput } from "../../protocol/tasks.js";
import type { Assignment } from "../task-assigner/index.js";
import { findStage, moveTask, type Place, type Scheduling } from "./scheduling.js";
import type { LiveAttempt, StageRecord, TaskRecord } from "./state.js";

const NONE: readonly never[] = [];

/** The launch of what the assigner gave to a worker. */
export function makeLaunch(shared: Scheduling, assignment: Assignment): TaskLaunch {
  const { session, stage, partition, worker, locality, more } = assignment;
  const record = findStage(shared.sessions, session, stage) as StageRecord;
  const task = record.tasks[partition] as TaskRecord;
  const attempt = task.nextAttempt;
  const { node, process } = shared.ports.worker(worker) as Place;
  const place: LiveAttempt = { attempt, worker, node, process, sinceMs: shared.now };
  const speculative = task.state.kind === "running";
  if (task.state.kind === "running") {
    moveTask(shared, record, task, "duplicate", {
      ...task.state,
      kind: "doubled",
      copy: { ...place, running: false },
    });
    record.doubled++;
  } else {
    moveTask(shared, record, task, "launch", { kind: "launched", ...place });
  }
  task.nextAttempt++;
  record.running++;
  const { outputs, cached, generations } = record.job.session;
  const plan = record.plan[partition] as Stage["tasks"][number];
  const following = more.map((next) => follow(shared, record, record.tasks[next] as TaskRecord, place));
  return {
    key: { session, job: record.job.id, stage, partition, attempt },
    fragment: record.stage.fragmentHash,
    splits: plan.splits,
    values: record.stage.valueInputs.length === 0 ? NONE : valuesOf(record),
    cached:
      plan.cached.length === 0
        ? NONE
        : plan.cached.flatMap(([node, at]) =>
            [...(cached.workers(node, at) ?? [])].map((holder) => ({ node, partition: at, worker: holder })),
          ),
    shuffles:
      record.stage.shuffleInputs.length === 0
        ? NONE
        : record.stage.shuffleInputs
            .filter((shuffle) => outputs.isComplete(shuffle))
            .map((shuffle) => {
              outputs.given(shuffle);
              task.launchedAt[attempt] = outputs.changes;
              return { shuffle, version: outputs.version(shuffle) };
            }),
    locality,
    ...(task.alone ? { alone: true } : {}),
    ...(speculative ? { speculative: true } : {}),
    ...(generations.size === 0 ? {} : { generations: generationsOf(record) }),
    ...(plan.slice === undefined ? {} : { slice: plan.slice }),
    ...(following.length === 0 ? {} : { more: following }),
  };
}

/** Whether the stage's tasks differ in nothing but their partition: shuffles are all that they read. */
export function mayGroup({ stage, plan }: StageRecord): boolean {
  if (stage.shuffleInputs.length === 0) return false;
  return plan.every(({ splits, cached, slice }) => splits.length === 0 && cached.length === 0 && slice === undefined);
}

/** Whether `next` waits for a slot, and may have that of `first` after it. */
export function mayFollow({ job, tasks, roundEnd, ...record }: StageRecord, first: number, next: number): boolean {
  const { window, result } = job;
  if (next >= roundEnd || (record.stage === result.stage && window !== null && next >= window.admitted)) return false;
  return [first, next].every((partition) => {
    const { state, blamed, alone } = tasks[partition] as TaskRecord;
    return state.kind === "pending" && !blamed && !alone;
  });
}

/** Launches a task with the one before it. */
function follow(shared: Scheduling, record: StageRecord, task: TaskRecord, place: LiveAttempt): FollowingTask {
  const attempt = task.nextAttempt++;
  moveTask(shared, record, task, "launch", { kind: "launched", ...place, attempt });
  record.running++;
  // The same inputs as the first one's: those outputs have been given.
  task.launchedAt[attempt] = record.job.session.outputs.changes;
  return { partition: task.partition, attempt };
}

/** Of the stage's persisted nodes that are not in their first generation. */
function generationsOf(record: StageRecord): CacheGeneration[] {
  const { generations } = record.job.session;
  return record.stage.reach.flatMap(({ node }) => {
    const generation = node === null ? undefined : generations.get(node);
    return node === null || generation === undefined ? [] : [{ node, generation }];
  });
}

function valuesOf(record: StageRecord): ValueInput[] {
  return record.stage.valueInputs.flatMap((stage) => {
    const { values, missingValues } = record.job.stages.get(stage) as StageRecord;
    // Not needed: what would read it lies in the cache.
    return missingValues > 0 ? [] : [{ stage, parts: values as Uint8Array[] }];
  });
}
