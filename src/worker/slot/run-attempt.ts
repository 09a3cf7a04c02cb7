// One attempt in a slot: builds the TaskContext over the worker's directory, shuffle files, cache and channel, runs the
// fragment, and turns whatever comes of it into an outcome. Nothing of the attempt stays behind unless it succeeded.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { encodeValue } from "../../codec/stream.js";
import { isMillraceError, MillraceError, toWireError } from "../../core/errors.js";
import { runFragment } from "../../operators/index.js";
import type { FragmentResult } from "../../operators/task-context.js";
import type { Fragment } from "../../plan/stages.js";
import type { TaskMetrics, TaskResult } from "../../protocol/tasks.js";
import { WorkerDirectory } from "../worker-directory.js";
import { AttemptContext, type AttemptEnvironment } from "./attempt-context.js";
import { functionsOf } from "./fragment-functions.js";
import type { SlotOutcome, SlotRun } from "./messages.js";
import type { SlotSession } from "./slot-session.js";

export async function runAttempt(fragment: Fragment, call: SlotRun, session: SlotSession, environment: AttemptEnvironment): Promise<SlotOutcome> {
  const started = performance.now();
  const context = new AttemptContext(call, session, environment);
  const metrics = (): TaskMetrics => ({ ...context.metrics, runMs: performance.now() - started, spillBytes: context.spill.writtenBytes, peakMemoryBytes: environment.control.peakBytes });
  session.handles.begin();
  try {
    await session.prepare(functionsOf(fragment));
    const result = storeResult(await runFragment(fragment, context), call, environment);
    const accumulators = session.handles.end().map(({ accumulator, value }) => ({ accumulator, value: encodeValue(value, session.classes) }));
    return { kind: "succeeded", result, accumulators, metrics: metrics(), offers: context.offers };
  } catch (error) {
    if (isMillraceError(error) && error.code === "TASK_CANCELLED") return { kind: "cancelled" };
    return { kind: "failed", error: toWireError(error, "TASK_FAILED"), metrics: metrics() };
  } finally {
    context.close();
  }
}

function storeResult(result: FragmentResult, call: SlotRun, { settings }: AttemptEnvironment): TaskResult {
  if (result.kind === "mapOutput") {
    const { sizes, records, checksum } = result;
    return { kind: "mapOutput", output: { sizes, records, checksum } };
  }
  if (result.kind === "file") return result;
  if (result.bytes.byteLength <= settings.inlineResultBytes) return { kind: "inline", bytes: result.bytes.slice(), records: result.records };
  const path = WorkerDirectory.at(settings.address.directory).resultPath(call.launch.key);
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.tmp`, result.bytes);
    renameSync(`${path}.tmp`, path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new MillraceError(code === "ENOSPC" ? "DISK_FULL" : "IO_ERROR", `the result of ${result.bytes.byteLength} bytes could not be written to ${path}: ${(error as Error).message}`, { cause: error });
  }
  return { kind: "block", sizeBytes: result.bytes.byteLength, records: result.records };
}
