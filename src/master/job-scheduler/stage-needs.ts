// Which parents of a stage are needed, and which of these are missing: a persisted node that lies whole in the cache cuts the
// graph above it.

import type { StageId } from "../../core/ids.js";
import type { StageRecord } from "./state.js";

/** Parents that a task of the stage may read, given the cache as it is now. */
export function neededParents(record: StageRecord): Set<StageId> {
  const needed = new Set<StageId>();
  const { reach } = record.stage;
  const seen = new Set([0]);
  const stack = [0];
  for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
    const entry = reach[place];
    if (entry === undefined) continue;
    for (const parent of entry.parents) needed.add(parent);
    for (const next of entry.next) {
      const { node, partitions } = reach[next] as (typeof reach)[number];
      if (seen.has(next) || (node !== null && record.job.session.cached.isComplete(node, partitions))) continue;
      seen.add(next);
      stack.push(next);
    }
  }
  return needed;
}

export function missingParents(record: StageRecord): StageRecord[] {
  const missing: StageRecord[] = [];
  for (const id of neededParents(record)) {
    const parent = record.job.stages.get(id);
    if (parent !== undefined && !isWhole(parent)) missing.push(parent);
  }
  return missing;
}

/** Whether what the stage makes is all there now, whoever made it. */
export function isWhole(record: StageRecord): boolean {
  const { kind, shuffleOutput } = record.stage;
  if (kind === "shuffleMap") return shuffleOutput !== null && record.job.session.outputs.isComplete(shuffleOutput);
  if (kind === "value") return record.missingValues === 0;
  return record.state.kind === "complete" && record.remaining === 0;
}
