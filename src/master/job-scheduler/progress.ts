// What a user sees of running jobs and stages.

import type { JobTraits, StageProgress } from "../../protocol/driver.js";
import type { JobRecord, SessionRecord, StageRecord } from "./state.js";

/** A job that has not ended. Stages that an earlier job has computed already are not counted: this one skips them. */
export interface JobProgress extends JobTraits {
  readonly job: number;
  /** Its action: "collect at counts.ts:7:4". */
  readonly name: string;
  readonly startedMs: number;
  readonly stages: number;
  readonly stagesDone: number;
  readonly tasks: number;
  readonly tasksDone: number;
  readonly running: number;
  readonly failedAttempts: number;
  /** Written for shuffles so far, spilled so far. */
  readonly shuffleBytes: number;
  readonly spillBytes: number;
}

export function jobsOf(session: SessionRecord): JobProgress[] {
  return [...session.jobs.values()].map(jobProgress);
}

function jobProgress(job: JobRecord): JobProgress {
  const needed = [...job.stages.values()].filter(({ state }) => state.kind !== "idle");
  const sum = (of: (stage: StageRecord) => number) => needed.reduce((total, stage) => total + of(stage), 0);
  return {
    job: job.id,
    name: job.result.stage.name,
    startedMs: job.submittedMs,
    stages: needed.length,
    stagesDone: sum(({ state }) => (state.kind === "complete" ? 1 : 0)),
    tasks: sum(({ plan }) => plan.length),
    tasksDone: sum(doneOf),
    running: sum(({ running }) => running),
    failedAttempts: job.failedAttempts,
    shuffleBytes: sum(({ metrics }) => metrics.shuffleWriteBytes),
    spillBytes: sum(({ metrics }) => metrics.diskBytesSpilled),
    ...job.traits,
  };
}

/** A stage that shared another job's outputs has run no task of its own. */
function doneOf({ state, plan, roundEnd, remaining }: StageRecord): number {
  return state.kind === "complete" ? plan.length : roundEnd - remaining;
}

export function progressOf(session: SessionRecord): StageProgress[] {
  const jobs = [...session.jobs.values()];
  return jobs.flatMap((job) =>
    [...job.stages.values()]
      .filter((record) => record.state.kind === "running" || record.state.kind === "committing")
      .map((record) => ({
        job: job.id,
        stage: record.stage.id,
        name: record.stage.name,
        tasks: record.plan.length,
        done: record.roundEnd - record.remaining,
        running: record.running,
        failed: record.failed,
        records: record.records,
        bytes: record.bytes,
        startedMs: record.startedMs,
        ...(job.traits.pool === undefined ? {} : { pool: job.traits.pool }),
        ...(job.traits.group === undefined ? {} : { group: job.traits.group }),
        metrics: { ...record.metrics },
        ...shownOf(record),
        ...(record.skew.length === 0 ? {} : { skew: record.skew }),
      })),
  );
}

function shownOf({ accumulators }: StageRecord): Pick<StageProgress, "accumulators"> {
  const shown = accumulators.shown();
  return shown.length === 0 ? {} : { accumulators: shown };
}
