// The invariants between the collections of the scheduler. Tests ask after every event; production never does.

import { liveAttempts, type SessionRecord } from "./state.js";

/** What does not hold; empty when all is well. */
export function validateJobs(sessions: Iterable<SessionRecord>): string[] {
  const problems: string[] = [];
  for (const session of sessions) {
    problems.push(...session.outputs.validate());
    for (const job of session.jobs.values()) {
      for (const record of job.stages.values()) {
        if (record.tasks.length === 0) continue;
        const wanted = record.tasks.slice(0, record.roundEnd);
        const left = wanted.filter((task) => task.state.kind !== "succeeded").length;
        if (left !== record.remaining)
          problems.push(`stage ${record.stage.id}: ${record.remaining} remaining counted, ${left} found`);
        const live = record.tasks.reduce((sum, task) => sum + liveAttempts(task.state).length, 0);
        if (live !== record.running)
          problems.push(`stage ${record.stage.id}: ${record.running} running counted, ${live} found`);
        const doubled = record.tasks.filter(({ state }) => state.kind === "doubled");
        if (doubled.length !== record.doubled)
          problems.push(`stage ${record.stage.id}: ${record.doubled} doubled counted, ${doubled.length} found`);
        for (const { state, partition } of doubled) {
          if (state.kind === "doubled" && state.worker === state.copy.worker)
            problems.push(`stage ${record.stage.id}: both attempts of partition ${partition} are on ${state.worker}`);
        }
      }
    }
  }
  return problems;
}
