// The one place that decides what an error of an attempt means: whether the task is tried again, and whether the failure
// counts against it. FetchFailed never comes here: it is an outcome of its own and never the task's fault.

import type { ErrorCode } from "../../core/error-codes.js";
import type { WireError } from "../../core/errors.js";

export interface FailureVerdict {
  /** false: the same would happen again, so the job fails at once. */
  readonly retryable: boolean;
  /** Counts towards task.maxFailures. */
  readonly counts: boolean;
  /** It may be the fault of the worker: another one may do better (exclusion.ts). */
  readonly blamesWorker: boolean;
}

/** Decided by the data and the program alone. */
const hopeless: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "INVALID_ARGUMENT",
  "NOT_A_PAIR",
  "INVALID_KEY",
  "NESTED_RDD",
  "SYNC_FUNCTION_REQUIRED",
  "CLASS_NOT_TRAVELLING",
  "RECORD_NOT_ENCODABLE",
  "RECORD_TOO_LARGE",
  "GROUP_TOO_LARGE",
  "WRONG_SHAPE",
  "PARTITIONS_DIFFER",
  "INVALID_TEXT",
  "INVALID_FILE",
  "FILE_CHANGED",
  "UNSUPPORTED_COMPRESSION",
  "OUTPUT_NOT_SHARED",
]);

export function judgeFailure(error: WireError): FailureVerdict {
  if (error.code === "TASK_CANCELLED") return { retryable: true, counts: false, blamesWorker: false };
  // The block may have moved while the task was on its way; it is not the reader's fault that it is gone.
  if (error.code === "CHECKPOINT_LOST") return { retryable: true, counts: true, blamesWorker: false };
  const retryable = !hopeless.has(error.code);
  return { retryable, counts: true, blamesWorker: retryable };
}
