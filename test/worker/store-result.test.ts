// A result on its way from the operators to its file: a large one is never in memory as a whole, and its bytes are the same.

import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { noClasses } from "../../src/codec/class-registry.js";
import { decodeStream, RecordStreamWriter } from "../../src/codec/stream.js";
import { jobId, sessionId, stageId, workerId } from "../../src/core/ids.js";
import { CountingBudget, type MemoryBudget } from "../../src/core/memory.js";
import { ResultWriter } from "../../src/operators/outputs/result-writer.js";
import { attemptDirectory, attemptFile, resultPath } from "../../src/shuffle/paths.js";
import { FileSpillStore } from "../../src/shuffle/spill-store.js";
import { storeResult } from "../../src/worker/slot/store-result.js";
import { WorkerDirectory } from "../../src/worker/worker-directory.js";
import { scratchDirectory } from "../support/scratch.js";
import { LocalRun } from "../support/task-context.js";

const site = { file: "/app/a.ts", line: 1, column: 2, method: "collect" };
const directory = WorkerDirectory.of(scratchDirectory(), workerId("w")).path;
const key = { session: sessionId("s"), job: jobId(1), stage: stageId(2), partition: 3, attempt: 0 };
const rows = Array.from({ length: 400_000 }, (_, i) => [i, `a row of some length, number ${i}`]);
const whole = (records: readonly unknown[]) => {
  const writer = new RecordStreamWriter(noClasses);
  writer.addBatch(records);
  return writer.finish();
};

/** The greatest sum that was reserved. */
class PeakBudget extends CountingBudget {
  peakBytes = 0;
  override tryReserve(bytes: number): boolean {
    const taken = super.tryReserve(bytes);
    this.peakBytes = Math.max(this.peakBytes, this.reservedBytes);
    return taken;
  }
}

function write(records: readonly unknown[], memory: MemoryBudget) {
  const spill = new FileSpillStore(attemptDirectory(directory, key));
  const writer = new ResultWriter({ ...new LocalRun().context(0), memory, spill, classes: noClasses }, site);
  writer.addBatch(records);
  return { result: writer.finish(), spill };
}

test.each([
  ["unlimited memory", 2 ** 40, 8 * 2 ** 20],
  ["a budget of 1 MiB", 2 ** 20, 2 ** 20],
  ["no budget", 0, 0],
])("a result of 16 MB is put on disk frame by frame: %s", (_name, limitBytes, mostBytes) => {
  const memory = new PeakBudget(limitBytes);
  const { result, spill } = write(rows, memory);
  expect(result.kind).toBe("spilled");
  expect(memory.reservedBytes).toBe(0);
  expect(memory.peakBytes).toBeLessThanOrEqual(mostBytes);
  expect(memory.peakBytes > 0).toBe(limitBytes === 2 ** 40);
  const stored = storeResult(result, key, { directory, inlineResultBytes: 1024 });
  spill.dispose();
  const bytes = readFileSync(resultPath(directory, key));
  expect(bytes.equals(whole(rows))).toBe(true);
  expect(stored).toEqual({ kind: "block", sizeBytes: bytes.byteLength, records: rows.length });
  expect(existsSync(attemptFile(directory, key, "result"))).toBe(false);
});

test("a result of 1 MB is held where the budget allows, and is on disk where it does not", () => {
  const some = rows.slice(0, 20_000);
  for (const [limitBytes, kind] of [
    [2 ** 40, "bytes"],
    [1, "spilled"],
  ] as const) {
    const { result, spill } = write(some, new CountingBudget(limitBytes));
    expect(result.kind).toBe(kind);
    storeResult(result, key, { directory, inlineResultBytes: 1024 });
    spill.dispose();
    expect(readFileSync(resultPath(directory, key)).equals(whole(some))).toBe(true);
  }
});

test("a small result asks nobody and travels in its status", () => {
  const memory = new PeakBudget(2 ** 40);
  const { result } = write([1, "two"], memory);
  expect(memory.peakBytes).toBe(0);
  const stored = storeResult(result, key, { directory, inlineResultBytes: 1024 });
  expect(stored.kind === "inline" && decodeStream(stored.bytes, noClasses)).toEqual([1, "two"]);
});
