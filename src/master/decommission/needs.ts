// What of a leaving worker somebody still needs, read from the scheduler's records: map outputs and cached partitions that lie
// on it, large results that no driver has, attempts that may still come and read.

import type { WorkerId } from "../../core/ids.js";
import type { AdoptableBlock } from "../../protocol/adoption.js";
import type { SessionRecord } from "../job-scheduler/state.js";
import type { Attempt, WorkerRecord } from "../worker-registry/index.js";

/** `isActive`: who stays. A cached partition that lies on one of them too need not be moved. */
export function* heldBlocks(
  sessions: Iterable<SessionRecord>,
  worker: WorkerId,
  isActive: (worker: WorkerId) => boolean,
): Generator<AdoptableBlock, void, void> {
  for (const { id: session, outputs, cached, persisted, generations } of sessions) {
    for (const { shuffle, map, location, output } of outputs.heldBy(worker)) {
      const { stage, attempt } = location;
      const sizeBytes = output.sizes.reduce((sum, size) => sum + size, 0);
      yield { kind: "mapOutput", session, shuffle, map, stage, attempt, sizeBytes };
    }
    for (const { node, partition, holders, sizeBytes } of cached.heldBy(worker)) {
      if (!persisted.has(node) || [...holders].some(isActive)) continue;
      yield { kind: "cached", session, node, partition, generation: generations.get(node) ?? 0, sizeBytes };
    }
  }
}

/** Results in files of the worker: not yet passed on, or passed on and not acknowledged. */
export function countResults(sessions: Iterable<SessionRecord>, worker: WorkerId): number {
  let count = 0;
  for (const { jobs } of sessions) {
    for (const job of jobs.values()) {
      for (const record of job.stages.values()) {
        const { kind } = record.stage;
        if (kind === "shuffleMap" || (kind === "value" && record.missingValues === 0)) continue;
        for (const { state, partition } of record.tasks) {
          if (state.kind !== "succeeded" || state.worker !== worker) continue;
          const waits =
            kind === "value"
              ? record.values[partition] === undefined
              : state.result?.kind === "block" || job.unacknowledged.has(partition);
          if (waits) count++;
        }
      }
    }
  }
  return count;
}

/**
 * Attempts of others that were told to read here. `lastHere`: when each shuffle ("session shuffle") last had a location on the
 * worker; who was launched after that knows better.
 */
export function countReaders(
  workers: Iterable<WorkerRecord>,
  worker: WorkerId,
  lastHere: ReadonlyMap<string, number>,
): number {
  let count = 0;
  for (const record of workers) {
    if (record.id === worker) continue;
    for (const attempt of record.attempts.values()) if (mayRead(attempt, worker, lastHere)) count++;
  }
  return count;
}

function mayRead(
  { key, launchedMs, shuffles, cached }: Attempt,
  worker: WorkerId,
  lastHere: ReadonlyMap<string, number>,
) {
  if (cached.some((location) => location.worker === worker)) return true;
  return shuffles.some(({ shuffle }) => launchedMs <= (lastHere.get(`${key.session} ${shuffle}`) ?? -1));
}
