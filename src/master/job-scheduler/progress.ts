// What a user sees of running stages.

import type { StageProgress } from "../../protocol/driver.js";
import type { SessionRecord, StageRecord } from "./state.js";

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
