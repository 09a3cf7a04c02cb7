// Jobs, stages and tasks as they begin.

import { MillraceError } from "../../core/errors.js";
import type { StageId } from "../../core/ids.js";
import { noMetrics } from "../../core/task-metrics.js";
import type { Stage } from "../../plan/stages.js";
import { NamedSums } from "../../protocol/named-values.js";
import { ResultWindow } from "./result-window.js";
import type { Submission } from "./scheduling.js";
import { StagePace } from "./stage-pace.js";
import type { JobRecord, SessionRecord, StageRecord, TaskRecord } from "./state.js";

export function newJob(session: SessionRecord, submission: Submission, now: number): JobRecord {
  const { graph, savesFiles, maxResultBytes, streamed = false, traits = {} } = submission;
  const stages = new Map<StageId, StageRecord>();
  const resultTasks = graph.stages.find((stage) => stage.id === graph.resultStage)?.tasks.length ?? 0;
  const job: Omit<JobRecord, "result"> = {
    id: graph.job,
    session,
    graph,
    stages,
    submittedMs: now,
    traits,
    savesFiles,
    maxResultBytes,
    streamed,
    resultBytes: 0,
    nextDelivery: 0,
    window: savesFiles ? null : new ResultWindow(session.policy.maxResultsAheadBytes, resultTasks),
    unacknowledged: new Map(),
    story: [],
    skew: [],
    tasks: 0,
    failedAttempts: 0,
    workers: new Map(),
    workerlessSinceMs: null,
  };
  for (const stage of graph.stages) stages.set(stage.id, newStage(stage, job as JobRecord));
  const result = stages.get(graph.resultStage);
  if (result === undefined) throw new MillraceError("INTERNAL", `job ${graph.job} has no stage ${graph.resultStage}`);
  return Object.assign(job, { result });
}

function newStage(stage: Stage, job: JobRecord): StageRecord {
  return {
    stage,
    job,
    state: { kind: "idle" },
    moves: [],
    tasks: [],
    plan: stage.tasks,
    skew: [],
    roundEnd: stage.tasks.length,
    remaining: stage.tasks.length,
    fetchFailures: 0,
    restarts: 0,
    values: [],
    missingValues: stage.kind === "value" ? stage.tasks.length : 0,
    startedMs: 0,
    failed: 0,
    running: 0,
    doubled: 0,
    pace: mayDouble(stage, job) ? new StagePace() : null,
    blame: null,
    records: 0,
    bytes: 0,
    succeeded: 0,
    lastEndMs: 0,
    metrics: { ...noMetrics },
    accumulators: new NamedSums(),
  };
}

/** Effects of foreach would happen twice. Part files are written aside, and one attempt's are committed. */
function mayDouble(stage: Stage, job: JobRecord): boolean {
  return job.session.policy.speculation !== null && (!stage.commitsOutput || job.savesFiles);
}

export function newTask(partition: number): TaskRecord {
  return {
    partition,
    state: { kind: "pending" },
    nextAttempt: 0,
    failures: 0,
    blamed: false,
    alone: false,
    recordsRead: 0,
    accumulated: false,
    launchedAt: [],
    moves: [],
  };
}
