// The names of things, branded so that a job id cannot be passed where a stage id is meant. A session's ids are its own:
// no counter is global to the process, because one process may hold many sessions.

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** A session's id at its master, a text. */
export type SessionId = Branded<string, "SessionId">;
/** A worker's id, as `--id` or the worker itself has given it. */
export type WorkerId = Branded<string, "WorkerId">;
/** A node of a session's lineage: one RDD. Counted by the driver from 1. */
export type NodeId = Branded<number, "NodeId">;
/** Counted by the driver from 1 within a session. */
export type JobId = Branded<number, "JobId">;
/** Counted by the master from 1 within a session (not within a job: a finished map stage serves later jobs). */
export type StageId = Branded<number, "StageId">;
/** Counted by the master from 1 within a session. */
export type ShuffleId = Branded<number, "ShuffleId">;
/** sha256 in hex of a blob's bytes. */
export type BlobHash = Branded<string, "BlobHash">;

export const sessionId = (text: string): SessionId => text as SessionId;
export const workerId = (text: string): WorkerId => text as WorkerId;
export const nodeId = (n: number): NodeId => n as NodeId;
export const jobId = (n: number): JobId => n as JobId;
export const stageId = (n: number): StageId => n as StageId;
export const shuffleId = (n: number): ShuffleId => n as ShuffleId;
export const blobHash = (hex: string): BlobHash => hex as BlobHash;

/** One attempt at one partition of one stage. `attempt` counts from 0 within the task and is never used twice. */
export interface TaskKey {
  readonly session: SessionId;
  readonly job: JobId;
  readonly stage: StageId;
  readonly partition: number;
  readonly attempt: number;
}

/** The one spelling of a task key, in logs, maps and paths: `session/job/stage/partition/attempt`. */
export function formatTaskKey(key: TaskKey): string {
  return `${key.session}/${key.job}/${key.stage}/${key.partition}/${key.attempt}`;
}
