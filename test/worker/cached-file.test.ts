// A cached partition on disk that a task was promised: read where it is whole, computed again where it was let go of meanwhile,
// and a loss that the master hears of where its file has other bytes than it had.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noClasses } from "../../src/codec/class-registry.js";
import { encodeRecords } from "../../src/codec/records.js";
import { SchemaTable } from "../../src/codec/schema.js";
import { blobHash, jobId, nodeId, sessionId, stageId, workerId } from "../../src/core/ids.js";
import { AttemptContext, type AttemptEnvironment } from "../../src/worker/slot/attempt-context.js";
import { BlockingChannel } from "../../src/worker/slot/blocking-channel.js";
import { ControlRow } from "../../src/worker/slot/control-row.js";
import type { SlotRun, SlotSettings } from "../../src/worker/slot/messages.js";
import { SlotSession } from "../../src/worker/slot/slot-session.js";
import { scratchDirectory } from "../support/scratch.js";

const directory = scratchDirectory();
const path = join(directory, "cached.data");
const worker = workerId("w");
const [node, partition] = [nodeId(3), 5];
const schemas = new SchemaTable();
const frame = encodeRecords(["a", "b"], 0, 2, schemas, noClasses);

const settings: SlotSettings = {
  slot: 0,
  address: { worker, machine: "m", blocks: "w:1", directory },
  taskBytes: 1 << 20,
  inlineResultBytes: 1024,
  localReads: true,
  compress: false,
  checksum: true,
  cacheBytes: 0,
  openFiles: 8,
  moduleRoots: [],
  requestTimeoutMs: 1_000,
};

function openCached() {
  const control = new ControlRow();
  const channel = new BlockingChannel(new MessageChannel().port1 as never, control, settings.requestTimeoutMs);
  const environment: AttemptEnvironment = { settings, control, channel };
  const key = { session: sessionId("s"), job: jobId(1), stage: stageId(1), partition, attempt: 0 };
  const cached = { node, partition, worker };
  const call: SlotRun = {
    kind: "run",
    run: 1,
    launch: {
      key,
      fragment: blobHash("f"),
      splits: [],
      values: [],
      cached: [cached],
      shuffles: [],
      locality: "PROCESS_LOCAL",
    } as unknown as SlotRun["launch"],
    fragment: null,
    rest: [],
    locations: [],
    forget: null,
    cached: [{ node, partition, schemas: schemas.toBytes(), frames: { path, bytes: frame.byteLength } }],
  };
  const context = new AttemptContext(call, new SlotSession(key.session, channel, settings), environment);
  return { context, source: () => context.openCached(node, partition) };
}

test("is read from its file", () => {
  writeFileSync(path, frame);
  const { context, source } = openCached();
  expect(Buffer.from(source()?.next()?.frame as Uint8Array).equals(frame)).toBe(true);
  expect(context.cachedFrom).toBe(worker);
});

test("is not there when its file is gone, and nobody is blamed", () => {
  rmSync(path, { force: true });
  const { context, source } = openCached();
  expect(source()).toBeNull();
  expect(context.cachedFrom).toBeNull();
});

test("is damaged when its file was cut", () => {
  writeFileSync(path, frame.subarray(0, frame.byteLength - 1));
  expect(openCached().source).toThrow(expect.objectContaining({ code: "BLOCK_CORRUPT" }));
});
