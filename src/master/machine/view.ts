// What is asked of the machine and shown: workers, sessions' progress and storage, exclusions, who is on the way out. Reads the
// components and changes nothing: whoever has it alone cannot tell the machine anything.

import type { SessionId, ShuffleId, WorkerId } from "../../core/ids.js";
import type { StageProgress } from "../../protocol/driver.js";
import type { MapOutputLocation } from "../../protocol/tasks.js";
import type { DecommissionProgress, Decommissions } from "../decommission/index.js";
import type { JobProgress, JobScheduler } from "../job-scheduler/index.js";
import type { NodeStorage } from "../map-outputs/index.js";
import type { PoolSnapshot, TaskAssigner } from "../task-assigner/index.js";
import type { WorkerRecord, WorkerRegistry } from "../worker-registry/index.js";
import { placeOf } from "./places.js";

export type WorkerExclusion = ReturnType<JobScheduler["exclusionsOf"]>[number];

export interface MasterViewParts {
  readonly registry: WorkerRegistry;
  readonly assigner: TaskAssigner;
  readonly jobs: JobScheduler;
  readonly decommissions: Decommissions;
}

export class MasterView {
  readonly #parts: MasterViewParts;

  constructor(parts: MasterViewParts) {
    this.#parts = parts;
  }

  get workers(): readonly WorkerRecord[] {
    return [...this.#parts.registry.all];
  }

  /** Of all workers that take tasks. */
  get slots(): number {
    return this.workers.reduce(
      (sum, record) => sum + (record.state.kind === "active" ? record.registration.slots : 0),
      0,
    );
  }

  /** Stages that run. */
  progress(session: SessionId): StageProgress[] {
    return this.#parts.jobs.progress(session);
  }

  /** How far the session's jobs are that have not ended. */
  jobProgress(session: SessionId): JobProgress[] {
    return this.#parts.jobs.jobProgress(session);
  }

  /** Jobs that have not ended, by session. */
  liveJobs(session: SessionId): readonly number[] {
    return [...(this.#parts.jobs.sessions.get(session)?.jobs.keys() ?? [])];
  }

  /** What the session's map outputs take that are counted on, over all workers. */
  shuffleBytes(session: SessionId): number {
    return this.#parts.jobs.sessions.get(session)?.outputs.totalBytes ?? 0;
  }

  /** None where the session schedules FIFO. */
  pools(session: SessionId): PoolSnapshot[] {
    return this.#parts.assigner.pools(session);
  }

  /** The session's persisted nodes that jobs have planned to fill. */
  storage(session: SessionId): NodeStorage[] {
    return this.#parts.jobs.storage(session);
  }

  /** How far a worker is that is to go; null for one that is not. */
  decommission(worker: WorkerId, now: number): DecommissionProgress | null {
    return this.#parts.decommissions.progress(worker, now);
  }

  /** What keeps whose tasks away from a worker, now. */
  exclusionsOf(record: WorkerRecord, now: number): WorkerExclusion[] {
    return this.#parts.jobs.exclusionsOf(placeOf(record), now);
  }

  /** Map outputs that are counted on, of all sessions; for tests. */
  *countedOutputs(): Generator<{
    readonly session: SessionId;
    readonly shuffle: ShuffleId;
    readonly map: number;
    readonly location: MapOutputLocation;
  }> {
    for (const { id, outputs } of this.#parts.jobs.sessions.values()) {
      for (const output of outputs.counted()) yield { session: id, ...output };
    }
  }
}
