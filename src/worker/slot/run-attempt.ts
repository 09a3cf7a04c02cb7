// One attempt in a slot: builds the TaskContext over the worker's directory, shuffle files, cache and channel, runs the
// fragment, and turns whatever comes of it into an outcome. Nothing of the attempt stays behind unless it succeeded.

import { encodeValue } from "../../codec/stream.js";
import { type ErrorCode, isMillraceError, type MillraceError, toWireError, type WireError } from "../../core/errors.js";
import type { WorkerId } from "../../core/ids.js";
import { isPromise } from "../../operators/batches.js";
import { runFragment } from "../../operators/index.js";
import type { FragmentResult, MaybePromise } from "../../operators/task-context.js";
import type { FunctionRef } from "../../plan/function.js";
import type { Fragment } from "../../plan/stages.js";
import type { TaskMetrics } from "../../protocol/tasks.js";
import { AttemptContext, type AttemptEnvironment } from "./attempt-context.js";
import type { SlotOutcome, SlotRun } from "./messages.js";
import type { SlotSession } from "./slot-session.js";
import { storeResult } from "./store-result.js";

/** An attempt that waits for something of its own (a command, a request) hears of its end by its signal, not by its records. */
const CANCEL_LOOK_MS = 50;

/** `prepare`: functions to load first; null when an earlier attempt of the fragment did. */
export async function runAttempt(
  fragment: Fragment,
  prepare: readonly FunctionRef[] | null,
  call: SlotRun,
  session: SlotSession,
  environment: AttemptEnvironment,
): Promise<SlotOutcome> {
  const started = performance.now();
  const context = new AttemptContext(call, session, environment);
  const metrics = (): TaskMetrics => ({
    ...context.metrics,
    runMs: performance.now() - started,
    spillBytes: context.spill.writtenBytes,
    peakMemoryBytes: environment.control.peakBytes,
  });
  const { address, inlineResultBytes } = environment.settings;
  const place = { directory: address.directory, inlineResultBytes };
  session.handles.task.running = context.running;
  session.handles.begin();
  try {
    if (prepare !== null) await session.prepare(prepare);
    const result = storeResult(await watched(runFragment(fragment, context), context), call.launch.key, place);
    const accumulators = session.handles
      .end()
      .map(({ accumulator, value }) => ({ accumulator, value: encodeValue(value, session.classes) }));
    return { kind: "succeeded", result, accumulators, metrics: metrics(), offers: context.offers };
  } catch (error) {
    if (context.signal.aborted || inChain(error, "TASK_CANCELLED") !== null) return { kind: "cancelled" };
    const lost = inChain(error, "FETCH_FAILED") ?? inChain(error, "BLOCK_CORRUPT");
    if (lost !== null && typeof lost.fields.shuffle === "number")
      return { kind: "fetchFailed", error: toWireError(lost) };
    if (lost !== null && context.cachedFrom !== null)
      return { kind: "fetchFailed", error: noCached(lost, context.cachedFrom) };
    return { kind: "failed", error: toWireError(error, "TASK_FAILED"), metrics: metrics() };
  } finally {
    context.close();
  }
}

/** Looks for a cancellation while an attempt waits. */
async function watched(result: MaybePromise<FragmentResult>, context: AttemptContext): Promise<FragmentResult> {
  if (!isPromise(result)) return result;
  const watch = setInterval(context.watchCancel, CANCEL_LOOK_MS);
  try {
    return await result;
  } finally {
    clearInterval(watch);
  }
}

/** A loss of input stays one however often operators and user functions have wrapped it. */
function inChain(error: unknown, code: ErrorCode): MillraceError | null {
  for (let at = error; at instanceof Error; at = at.cause) if (isMillraceError(at) && at.code === code) return at;
  return null;
}

/** A cached partition that broke off or is damaged is as if nobody had it: the master forgets it and tries again without. */
function noCached(error: MillraceError, worker: WorkerId): WireError {
  const wire = toWireError(error);
  return { ...wire, fields: { ...wire.fields, shuffle: 0, map: -1, worker } };
}
