// Finds tasks that are slow beside the others of their stage, by the rule of Spark 4: once `quantile` of the stage's tasks have
// ended, one that runs longer than `multiplier` times their median is slow; it gets a second attempt if it also reads its records
// slower than `processRateMultiplier` of the mean rate, or has run `longRunTaskFactor` times as long as a slow one. Where the
// second attempt goes is the assigner's word (never beside the first: allowsCopy).

import type { WorkerId } from "../../core/ids.js";
import type { SpeculationPolicy } from "./options.js";
import type { Scheduling } from "./scheduling.js";
import type { SessionRecord, StageRecord, TaskRecord } from "./state.js";

export class Speculation {
  readonly #shared: Scheduling;

  constructor(shared: Scheduling) {
    this.#shared = shared;
  }

  /** Looks at every session whose time it is. */
  look(): void {
    for (const session of this.#shared.sessions.values()) {
      const { speculation } = session.policy;
      if (speculation === null || this.#shared.now < session.nextLookMs) continue;
      session.nextLookMs = this.#shared.now + speculation.intervalMs;
      this.#lookAt(session, speculation);
    }
  }

  /** A copy is no use where its task runs or failed, and another node is better than another worker of the same one. */
  allowsCopy(record: StageRecord, task: TaskRecord, worker: WorkerId): boolean {
    const { state } = task;
    if (state.kind !== "running" || state.worker === worker) return false;
    const { ports, exclusions } = this.#shared;
    if (exclusions.excludes(record, task, worker)) return false;
    if (ports.worker(worker)?.node !== state.node) return true;
    for (const other of ports.launchable()) {
      if (other.node !== state.node && !exclusions.excludes(record, task, other.worker)) return false;
    }
    return true;
  }

  #lookAt(session: SessionRecord, policy: SpeculationPolicy): void {
    for (const job of session.jobs.values()) {
      for (const record of job.stages.values()) {
        if (record.state.kind !== "running" || record.pace === null) continue;
        const wanted = record.roundEnd;
        // Of one task alone nobody can say that it is slow.
        if (wanted < 2 || record.pace.finished < Math.max(1, Math.floor(policy.quantile * wanted))) continue;
        for (let partition = 0; partition < wanted; partition++) {
          if (this.#isSlow(record, record.tasks[partition] as TaskRecord, policy))
            this.#shared.ports.assigner.addCopy(session.id, record.stage.id, partition);
        }
      }
    }
  }

  #isSlow({ pace }: StageRecord, { state, recordsRead }: TaskRecord, policy: SpeculationPolicy): boolean {
    if (state.kind !== "running" || pace === null) return false;
    const ranMs = this.#shared.now - state.sinceMs;
    const thresholdMs = Math.max(policy.multiplier * pace.medianMs, policy.minTaskRuntimeMs);
    if (ranMs <= thresholdMs) return false;
    if (ranMs > policy.longRunTaskFactor * thresholdMs) return true;
    const mean = pace.recordsPerMs;
    return mean === null || recordsRead / ranMs < mean * policy.processRateMultiplier;
  }
}
