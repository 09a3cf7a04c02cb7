// What the parts of the scheduler share: the sessions, the way out, the time of the event, and each other. The parts know only
// this, never each other's files, so that none of them comes first.

import { type ErrorFields, MillraceError, toWireError, type WireError } from "../../core/errors.js";
import type { SessionId, ShuffleId, StageId, WorkerId } from "../../core/ids.js";
import type { StageGraph } from "../../plan/stages.js";
import type { JobTraits } from "../../protocol/driver.js";
import type { TaskAssigner } from "../task-assigner/index.js";
import type { ProcessName } from "./blame.js";
import type { JobCommand } from "./commands.js";
import type { JobSchedulerOptions } from "./options.js";
import type { JobRecord, LiveAttempt, SessionRecord, StageRecord, StageState, TaskRecord, TaskState } from "./state.js";
import { moveTo, type StageMove, type TaskMove } from "./transitions.js";

/** What the scheduler uses of the other components. */
export interface SchedulerPorts {
  readonly assigner: TaskAssigner;
  emit(command: JobCommand): void;
  /** A worker that is there; null for one that is not. */
  worker(id: WorkerId): Place | null;
  /** Workers that may get launches. */
  launchable(): Iterable<Place>;
}

export interface Place {
  readonly worker: WorkerId;
  readonly process: ProcessName;
  readonly node: string;
  readonly role: string;
  /** One that leaves takes no tasks, but is there. */
  readonly takesTasks: boolean;
}

export interface Submission {
  readonly session: SessionId;
  readonly graph: StageGraph;
  /** The action writes part files: they are committed, or aborted with the job. */
  readonly savesFiles: boolean;
  /** driver.maxResultSize; null where results are streamed. */
  readonly maxResultBytes: number | null;
  /** The user gets the records as they come. Default false. */
  readonly streamed?: boolean;
  /** Default: none. */
  readonly traits?: JobTraits;
}

/** One scheduler, as its parts see it. */
export interface Scheduling {
  readonly options: JobSchedulerOptions;
  readonly ports: SchedulerPorts;
  readonly sessions: Map<SessionId, SessionRecord>;
  /** Time of the event that is being handled. */
  now: number;
  readonly stages: StagePart;
  readonly attempts: AttemptPart;
  readonly results: DeliveryPart;
  readonly jobs: JobPart;
  readonly exclusions: ExclusionPart;
  readonly speculation: SpeculationPart;
  readonly indeterminacy: IndeterminacyPart;
}

/** What other parts ask of stages.ts. */
export interface StagePart {
  /** Starts whatever the job's result needs, is missing, and has its own inputs whole. */
  advance(job: JobRecord): void;
  /** true when the stage's work is done; starts the next round where the job grows. */
  finish(record: StageRecord): boolean;
  /** Brings a map task's state in line with whether its output is there. */
  compareOutput(record: StageRecord, task: TaskRecord, shuffle: ShuffleId): void;
  closeQueue(record: StageRecord): void;
  wakeSharers(session: SessionRecord, shuffle: ShuffleId | null): void;
  outputsLost(session: SessionRecord, shuffle: ShuffleId, maps: readonly number[]): void;
  /** After a loss: stages whose inputs are not whole any more stop, and what is missing is started. */
  review(session: SessionRecord): void;
}

/** What other parts ask of attempts.ts. */
export interface AttemptPart {
  /** Gives a pending task of a running stage to the assigner. */
  enqueue(record: StageRecord, task: TaskRecord): void;
  /** Cancels what runs of a task and makes it pending, without giving it to the assigner. */
  abandon(record: StageRecord, task: TaskRecord, reason: string): void;
}

/** What other parts ask of results.ts. */
export interface DeliveryPart {
  /** Passes results on in partition order. false when they are too large and the job was ended. */
  deliver(job: JobRecord, blockBytes: number, partition: number): boolean;
  setValue(record: StageRecord, partition: number, bytes: Uint8Array): void;
}

/** What other parts ask of exclusion.ts. */
export interface ExclusionPart {
  failed(record: StageRecord, task: TaskRecord, at: LiveAttempt, message: string): void;
  stageSucceeded(record: StageRecord): void;
  excludes(record: StageRecord, task: TaskRecord | null, worker: WorkerId): boolean;
  allows(record: StageRecord, task: TaskRecord | null, worker: WorkerId): boolean;
}

/** What other parts ask of speculation.ts. */
export interface SpeculationPart {
  allowsCopy(record: StageRecord, task: TaskRecord, worker: WorkerId): boolean;
}

/** What other parts ask of indeterminacy.ts. */
export interface IndeterminacyPart {
  /** The output of map `map` that `source` has just made differs from the one that was there before. */
  changed(source: StageRecord, map: number): void;
}

/** What other parts ask of jobs.ts. */
export interface JobPart {
  isLive(job: JobRecord): boolean;
  /** Ends the job if its result is complete and with the driver. */
  finish(job: JobRecord): void;
  end(job: JobRecord, error: WireError | null): void;
}

export function moveStage({ options }: Scheduling, record: StageRecord, move: StageMove, to: StageState): void {
  const name = () => `${record.job.session.id}/${record.job.id}/${record.stage.id}`;
  moveTo("stage", record, move, to, name, options.onMove);
}

export function moveTask(
  { options }: Scheduling,
  record: StageRecord,
  task: TaskRecord,
  move: TaskMove,
  to: TaskState,
): void {
  const name = () => `${record.job.session.id}/${record.job.id}/${record.stage.id}/${task.partition}`;
  moveTo("task", task, move, to, name, options.onMove);
}

export function findStage(
  sessions: ReadonlyMap<SessionId, SessionRecord>,
  session: SessionId,
  stage: StageId,
): StageRecord | undefined {
  for (const job of sessions.get(session)?.jobs.values() ?? []) {
    const record = job.stages.get(stage);
    if (record !== undefined) return record;
  }
  return undefined;
}

/** An error of the scheduler's own, as it leaves. */
export function wire(code: MillraceError["code"], message: string, fields: ErrorFields): WireError {
  const { stack: _, ...error } = toWireError(new MillraceError(code, message, { fields }));
  return error;
}
