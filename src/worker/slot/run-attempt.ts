// One attempt in a slot: builds the TaskContext over the worker's directory, shuffle files, cache and channel, runs the
// fragment, and turns whatever comes of it into an outcome. Nothing of the attempt stays behind unless it succeeded.

import type { ClassRegistry } from "../../codec/class-registry.js";
import { encodeValue } from "../../codec/stream.js";
import { type ErrorCode, isMillraceError, type MillraceError, toWireError, type WireError } from "../../core/errors.js";
import type { WorkerId } from "../../core/ids.js";
import { type MutableMetrics, metricNames, type TaskMetrics } from "../../core/task-metrics.js";
import { isPromise } from "../../operators/batches.js";
import { runFragment } from "../../operators/index.js";
import type { FragmentResult, MaybePromise } from "../../operators/task-context.js";
import type { FunctionRef } from "../../plan/function.js";
import type { TaskUpdate } from "../../plan/handles.js";
import type { Fragment } from "../../plan/stages.js";
import type { AccumulatorUpdate, TaskResult } from "../../protocol/tasks.js";
import { AttemptContext, type AttemptEnvironment } from "./attempt-context.js";
import type { SlotMetrics, SlotOutcome, SlotRun } from "./messages.js";
import type { SlotSession } from "./slot-session.js";
import { storeResult } from "./store-result.js";
import type { ThreadMeter } from "./thread-meter.js";

/** An attempt that waits for something of its own (a command, a request) hears of its end by its signal, not by its records. */
const CANCEL_LOOK_MS = 50;

/** `prepare`: functions to load first; null when an earlier attempt of the fragment did. */
export async function runAttempt(
  fragment: Fragment,
  prepare: readonly FunctionRef[] | null,
  call: SlotRun,
  session: SlotSession,
  environment: AttemptEnvironment,
  meter: ThreadMeter | null,
): Promise<SlotOutcome> {
  const started = performance.now();
  const context = new AttemptContext(call, session, environment);
  meter?.begin();
  const measured = async (result: TaskResult | null): Promise<SlotMetrics> => {
    const metrics = context.collectMetrics();
    metrics.executorRunTime = performance.now() - started;
    metrics.resultSize = result === null ? 0 : resultSize(result);
    const times = meter?.end(metrics.executorRunTime) ?? null;
    if (times === null) return sparse(metrics);
    const { cpuMs, gcMs } = times instanceof Promise ? await times : times;
    metrics.executorCpuTime = cpuMs;
    metrics.gcTime = gcMs;
    return sparse(metrics);
  };
  const { address, inlineResultBytes } = environment.settings;
  const place = { directory: address.directory, inlineResultBytes };
  session.handles.task.running = context.running;
  session.handles.begin();
  try {
    if (prepare !== null) await session.prepare(prepare);
    const result = storeResult(await watched(runFragment(fragment, context), context), call.launch.key, place);
    const accumulators = session.handles.end().map((update) => toUpdate(update, session.classes));
    return { kind: "succeeded", result, accumulators, metrics: await measured(result), offers: context.offers };
  } catch (error) {
    if (context.signal.aborted || inChain(error, "TASK_CANCELLED") !== null) return { kind: "cancelled" };
    const lost = inChain(error, "FETCH_FAILED") ?? inChain(error, "BLOCK_CORRUPT");
    if (lost !== null && typeof lost.fields.shuffle === "number")
      return { kind: "fetchFailed", error: toWireError(lost) };
    if (lost !== null && context.cachedFrom !== null)
      return { kind: "fetchFailed", error: noCached(lost, context.cachedFrom) };
    return { kind: "failed", error: toWireError(error, "TASK_FAILED"), metrics: await measured(null) };
  } finally {
    context.close();
  }
}

/** Few of them are not 0, and each costs a clone of its name. */
function sparse(metrics: TaskMetrics): SlotMetrics {
  const found: Partial<MutableMetrics> = {};
  for (const name of metricNames) if (metrics[name] !== 0) found[name] = metrics[name];
  return found;
}

const noBytes = new Uint8Array(0);

/** A metric is its numbers; the value of an accumulator the program's own affair. */
function toUpdate({ accumulator, name, kind, value, numbers }: TaskUpdate, classes: ClassRegistry): AccumulatorUpdate {
  return {
    accumulator,
    value: kind === "custom" || kind === "sum" ? encodeValue(value, classes) : noBytes,
    name,
    ...(kind === "custom" ? {} : { kind }),
    ...(numbers === undefined ? {} : { numbers }),
  };
}

function resultSize(result: TaskResult): number {
  if (result.kind === "inline") return result.bytes.byteLength;
  return result.kind === "block" ? result.sizeBytes : 0;
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
