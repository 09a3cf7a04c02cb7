// The driver's side of jobs: submits them, takes their results in partition order, acknowledges bytes as they are taken so
// that the master's window opens again, and settles every job exactly once: ended, failed, aborted, or the session is over.
//
//   running --jobEnded--> ended | failed      running --abort--> cancelled      running --stop, link lost--> failed
//
// Messages about a job that is settled already are ignored: a cancelled job's last results may still be on their way.

import { type ErrorFields, MillraceError } from "../core/errors.js";
import { type JobId, jobId } from "../core/ids.js";
import type { CallSite } from "../plan/function.js";
import type { ActionSpec } from "../plan/lineage.js";
import type { DriverToMaster, JobSummary, JobTraits, MasterToDriver } from "../protocol/driver.js";
import { jobError, type StackMapper } from "./job-errors.js";
import type { LineageStore, NodeHandle } from "./lineage-store.js";
import { type PartitionResult, PieceOrder, type ResultPiece, ResultPieces } from "./result-pieces.js";

export interface JobRequest {
  readonly root: NodeHandle;
  readonly action: ActionSpec;
  readonly callSite: CallSite;
  /** Frames of the action's caller, asked for only when the job fails. */
  readonly callerStack: () => string;
  readonly signal: AbortSignal | undefined;
  readonly traits: JobTraits;
  /** Hears what the job came to, before the action is settled; as JobEnd.summary. */
  readonly onEnd?: ((summary: JobSummary | null) => void) | undefined;
}

/** Why several jobs are cancelled at once. */
export interface CancelCause {
  /** What they are cancelled with: `its job group "nightly"`. */
  readonly what: string;
  readonly fields: ErrorFields;
  /** The user's reason; null: none was given. */
  readonly why: string | null;
}

/** What is known of a job when it is over. */
export interface JobEnd {
  /** Counted from 1 in a session. */
  readonly job: JobId;
  /** The action, and where it was called. */
  readonly callSite: CallSite;
  /** Its pool, group and tags. */
  readonly traits: JobTraits;
  /** null: the job ended well. */
  readonly error: MillraceError | null;
  /** null when the job did not end by the master's word (aborted, session over). */
  readonly summary: JobSummary | null;
}

export interface JobClientParts {
  readonly send: (message: DriverToMaster) => void;
  readonly lineage: LineageStore;
  readonly mapStack: StackMapper;
  readonly accumulators: () => readonly number[];
  /** Sends what the job's functions need and the master does not have yet. */
  readonly beforeSubmit: () => void;
  readonly onEnd: (end: JobEnd) => void;
}

interface RunningJob {
  readonly id: JobId;
  readonly request: JobRequest;
  onPiece(piece: MasterToDriver & { kind: "result" }): void;
  /** What came so far is void. */
  onRestart(): void;
  onSettled(error: MillraceError | null): void;
  readonly onAbort: () => void;
  /** How often its results started over. */
  round: number;
  /** What its plan reads and no RDD refers to any more: it must not be released before the job's end. */
  readonly kept: NodeHandle[];
}

export class JobClient {
  readonly #parts: JobClientParts;
  readonly #running = new Map<JobId, RunningJob>();
  #started = 0;
  /** Set once the session is over: why. */
  #over: MillraceError | null = null;

  constructor(parts: JobClientParts) {
    this.#parts = parts;
  }

  /** Jobs submitted so far. */
  get started(): number {
    return this.#started;
  }

  /**
   * Runs a job; what `begin` gives gets every partition's result in partition order as soon as it is whole. It is asked again,
   * for one that knows nothing yet, when the results start over.
   */
  run(request: JobRequest, begin: () => (result: PartitionResult) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let pieces = new ResultPieces();
      let take = begin();
      const id = this.#start(request, {
        onRestart: () => {
          pieces = new ResultPieces();
          take = begin();
        },
        onPiece: (piece) => {
          this.#acknowledge(piece.job, piece.bytes.byteLength);
          const result = pieces.add(piece);
          if (result !== null) take(result);
        },
        onSettled: (error) => (error === null ? resolve() : reject(error)),
      });
      if (id instanceof MillraceError) reject(id);
    });
  }

  /**
   * Runs a job whose results are pulled piece by piece, partitions in order. A piece is acknowledged when it is taken, so at
   * most the master's window (4 MiB) is waiting here. The job starts with the first pull; leaving the loop cancels it.
   */
  async *stream(request: JobRequest): AsyncGenerator<ResultPiece, void, void> {
    const queue: (MasterToDriver & { kind: "result" })[] = [];
    const order = new PieceOrder();
    let settled: { readonly error: MillraceError | null } | null = null;
    let wake = () => {};
    const id = this.#start(request, {
      onPiece: (piece) => {
        queue.push(piece);
        wake();
      },
      // The master takes nothing back that was streamed.
      onRestart: () => {
        throw new MillraceError("PROTOCOL_ERROR", "streamed results were to start over");
      },
      onSettled: (error) => {
        settled = { error };
        wake();
      },
    });
    if (id instanceof MillraceError) throw id;
    try {
      for (;;) {
        const piece = queue.shift();
        if (piece !== undefined) {
          this.#acknowledge(id, piece.bytes.byteLength);
          order.check(piece);
          yield piece;
          continue;
        }
        // Read through a function: assigned in a callback, which the compiler does not see.
        const end = ((): { readonly error: MillraceError | null } | null => settled)();
        if (end?.error) throw end.error;
        if (end !== null) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#cancel(id, "its results are wanted no more");
    }
  }

  onMessage(message: MasterToDriver): void {
    if (message.kind === "result" || message.kind === "resultsRestarted") {
      const job = this.#running.get(message.job);
      if (job === undefined) return;
      try {
        if (message.kind === "result") {
          job.onPiece(message);
          return;
        }
        job.round = message.round;
        job.onRestart();
      } catch (error) {
        this.#failHere(job, error);
      }
    } else if (message.kind === "jobEnded") {
      const job = this.#running.get(message.job);
      if (job === undefined) return;
      const error =
        message.error === null ? null : jobError(message.error, job.request.callerStack(), this.#parts.mapStack);
      this.#settle(job, error, message.summary);
    }
  }

  /** The lineage above these nodes was cut: jobs that were planned with it need it to their end. */
  keep(handles: readonly NodeHandle[]): void {
    for (const job of this.#running.values()) job.kept.push(...handles);
  }

  /** Something that the driver does for a job threw: a user's merge of an accumulator. */
  fail(id: JobId, error: unknown): void {
    const job = this.#running.get(id);
    if (job !== undefined) this.#failHere(job, error);
  }

  /** Cancels the jobs that run and are meant; gives how many. */
  cancelJobs(isMeant: (traits: JobTraits) => boolean, { what, fields, why }: CancelCause): number {
    const meant = [...this.#running.values()].filter(({ request }) => isMeant(request.traits));
    const reason = why === null ? "" : `: ${why}`;
    for (const { id, request } of meant) {
      const message = `${request.callSite.method} was cancelled with ${what}${reason}`;
      const details = { fields: { job: id, ...fields, reason: why } };
      this.#cancel(
        id,
        `with ${what}${reason}`,
        withCaller(new MillraceError("JOB_CANCELLED", message, details), request),
      );
    }
    return meant.length;
  }

  /** The session is over: every job still running fails with `error`, as does every later one. */
  end(error: MillraceError): void {
    if (this.#over !== null) return;
    this.#over = error;
    for (const job of [...this.#running.values()]) this.#settle(job, withCaller(error, job.request), null);
  }

  #start(
    request: JobRequest,
    handlers: Pick<RunningJob, "onPiece" | "onRestart" | "onSettled">,
  ): JobId | MillraceError {
    if (this.#over !== null) return withCaller(this.#over, request);
    if (request.signal?.aborted) return cancelled(request);
    const id = jobId(++this.#started);
    const job: RunningJob = { id, request, ...handlers, onAbort: () => this.#abort(job), round: 0, kept: [] };
    this.#running.set(id, job);
    request.signal?.addEventListener("abort", job.onAbort, { once: true });
    const { nodes, persisted } = this.#parts.lineage.takeUnsent(request.root);
    for (const message of persisted) this.#parts.send(message);
    this.#parts.beforeSubmit();
    this.#parts.send({
      kind: "submit",
      job: id,
      nodes,
      root: request.root.node.id,
      action: request.action,
      callSite: request.callSite,
      accumulators: this.#parts.accumulators(),
      ...(Object.keys(request.traits).length === 0 ? {} : { traits: request.traits }),
    });
    return id;
  }

  /** Also after the job's end: it is by this that the master lets the results go. */
  #acknowledge(job: JobId, bytes: number): void {
    if (bytes === 0 || this.#over !== null) return;
    const round = this.#running.get(job)?.round ?? 0;
    this.#parts.send({ kind: "acknowledge", job, bytes, ...(round === 0 ? {} : { round }) });
  }

  #abort(job: RunningJob): void {
    this.#cancel(job.id, "its AbortSignal was aborted", cancelled(job.request));
  }

  /** Does nothing for a job that is settled. */
  #cancel(id: JobId, reason: string, error: MillraceError | null = null): void {
    const job = this.#running.get(id);
    if (job === undefined) return;
    this.#parts.send({ kind: "cancel", job: id, reason });
    this.#settle(job, error, null);
  }

  /** What the driver does with results failed: a user's function that folds, or bytes that cannot be decoded. */
  #failHere(job: RunningJob, error: unknown): void {
    const failure =
      error instanceof MillraceError
        ? error
        : new MillraceError(
            "TASK_FAILED",
            `the function of ${job.request.callSite.method} threw while results were put together: ${text(error)}`,
            {
              fields: { operator: job.request.callSite.method },
              cause: error,
            },
          );
    this.#cancel(job.id, "its results could not be put together", failure);
  }

  #settle(job: RunningJob, error: MillraceError | null, summary: JobSummary | null): void {
    this.#running.delete(job.id);
    job.request.signal?.removeEventListener("abort", job.onAbort);
    const { callSite, traits } = job.request;
    job.request.onEnd?.(summary);
    this.#parts.onEnd({ job: job.id, callSite, traits, error, summary });
    job.onSettled(error);
  }
}

function cancelled(request: JobRequest): MillraceError {
  return withCaller(
    new MillraceError("JOB_CANCELLED", `${request.callSite.method} was cancelled by its AbortSignal`, {
      cause: request.signal?.reason,
    }),
    request,
  );
}

/** The same error for this job: with the stack of its own action. */
function withCaller(error: MillraceError, request: JobRequest): MillraceError {
  const own = new MillraceError(error.code, error.message, {
    fields: error.fields,
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  });
  own.stack = `${own.name}: ${own.message}\n${request.callerStack()}`;
  return own;
}

function text(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
