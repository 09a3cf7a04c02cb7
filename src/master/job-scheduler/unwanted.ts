// What an attempt has left on its worker though nobody counts on it: it came too late, its task was given to another, its job
// has ended. Its report is stale and changes nothing, but its files go.

import type { TaskKey, WorkerId } from "../../core/ids.js";
import type { TaskOutcome } from "../../protocol/tasks.js";
import type { Scheduling } from "./scheduling.js";
import type { StageRecord } from "./state.js";

/** Tells the worker to remove what a stale or doubled report names, unless it is what the session counts on. */
export function removeUnwanted(
  { sessions, ports }: Scheduling,
  key: TaskKey,
  worker: WorkerId,
  outcome: TaskOutcome,
): void {
  const session = sessions.get(key.session);
  // The end of a session removes all that is its own.
  if (outcome.kind !== "succeeded" || session === undefined) return;
  const { result } = outcome;
  if (result.kind === "mapOutput") {
    const { partition: map, stage, attempt } = key;
    const counted = session.outputs.location(result.shuffle, map);
    if (counted?.worker === worker && counted.stage === stage && counted.attempt === attempt) return;
    const output = { map, stage, attempt };
    ports.emit({ kind: "discardOutput", worker, session: session.id, shuffle: result.shuffle, output });
  } else if (result.kind === "block") {
    const record = session.jobs.get(key.job)?.stages.get(key.stage);
    const state = record?.tasks[key.partition]?.state;
    const counts = state?.kind === "succeeded" && state.attempt === key.attempt && state.worker === worker;
    // The word to let go of one that was taken may have been lost with a stream.
    if (record !== undefined && counts && isAwaited(record, key.partition)) return;
    ports.emit({ kind: "releaseResult", worker, key });
  }
}

/** Whether somebody still has to take the block of a task that has succeeded. */
function isAwaited({ job, stage, tasks, values }: StageRecord, partition: number): boolean {
  if (stage.kind === "value") return values[partition] === undefined;
  const state = tasks[partition]?.state;
  return job.unacknowledged.has(partition) || (state?.kind === "succeeded" && state.result !== null);
}
