// The launch of a task: everything that an attempt needs to know, as it is now.

import type { SessionId, StageId, WorkerId } from "../../core/ids.js";
import type { Stage } from "../../plan/stages.js";
import type { Locality, TaskLaunch, ValueInput } from "../../protocol/tasks.js";
import { findStage, moveTask, type Scheduling } from "./scheduling.js";
import type { StageRecord, TaskRecord } from "./state.js";

const NONE: readonly never[] = [];

/** The launch of a task that the assigner gave to `worker`. */
export function makeLaunch(
  shared: Scheduling,
  session: SessionId,
  stage: StageId,
  partition: number,
  worker: WorkerId,
  locality: Locality,
): TaskLaunch {
  const record = findStage(shared.sessions, session, stage) as StageRecord;
  const task = record.tasks[partition] as TaskRecord;
  const attempt = task.nextAttempt;
  moveTask(shared, record, task, "launch", { kind: "launched", attempt, worker });
  task.nextAttempt++;
  record.running++;
  const { outputs, cached } = record.job.session;
  const plan = record.plan[partition] as Stage["tasks"][number];
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
            .map((shuffle) => ({ shuffle, version: outputs.version(shuffle) })),
    locality,
    ...(plan.slice === undefined ? {} : { slice: plan.slice }),
  };
}

function valuesOf(record: StageRecord): ValueInput[] {
  return record.stage.valueInputs.map((stage) => {
    const parts = (record.job.stages.get(stage) as StageRecord).values as Uint8Array[];
    return { stage, parts };
  });
}
