// Large values of stages leave as one blob a stage, small ones as they are.

import { expect, test } from "vitest";
import { type BlobHash, blobHash, jobId, sessionId, stageId } from "../../src/core/ids.js";
import { unpack } from "../../src/core/packed.js";
import { BlobStore } from "../../src/master/blob-store.js";
import { ValueBlobs } from "../../src/master/value-blobs.js";
import type { TaskLaunch } from "../../src/protocol/tasks.js";
import type { MasterToWorker } from "../../src/protocol/worker.js";

const session = sessionId("s");
const large = [new Uint8Array(40_000).fill(1), new Uint8Array(40_000).fill(2)];
const small = [Uint8Array.of(1), Uint8Array.of(2)];

function launchOf(job: number, partition: number, parts: readonly Uint8Array[]): MasterToWorker & { kind: "launch" } {
  const key = { session, job: jobId(job), stage: stageId(2), partition, attempt: 0 };
  const values = [{ stage: stageId(1), parts }];
  const launch: TaskLaunch = {
    key,
    fragment: blobHash("f"),
    splits: [],
    values,
    cached: [],
    shuffles: [],
    locality: "ANY",
  };
  return { kind: "launch", launches: [launch] };
}

const sentValue = (message: MasterToWorker) => (message as MasterToWorker & { kind: "launch" }).launches[0]?.values[0];

test("values above 64 KiB become one blob, made once and dropped with the job", () => {
  const blobs = new BlobStore();
  const values = new ValueBlobs(blobs);
  const first = sentValue(values.lighten(launchOf(1, 0, large)));
  const second = sentValue(values.lighten(launchOf(1, 1, large)));
  expect(first?.parts).toEqual([]);
  expect(second?.blob).toBe(first?.blob);
  const hash = first?.blob as BlobHash;
  expect(unpack<Uint8Array[]>(blobs.get(hash) as Uint8Array).map((part) => [part.length, part[0]])).toEqual([
    [40_000, 1],
    [40_000, 2],
  ]);
  expect(values.release(session, jobId(2))).toEqual([]);
  expect(values.release(session, jobId(1))).toEqual([hash]);
  expect(blobs.get(hash)).toBeUndefined();
});

test("two jobs with the same bytes keep the blob until both have ended", () => {
  const blobs = new BlobStore();
  const values = new ValueBlobs(blobs);
  const hash = sentValue(values.lighten(launchOf(1, 0, large)))?.blob;
  expect(sentValue(values.lighten(launchOf(2, 0, [...large])))?.blob).toBe(hash);
  expect(values.release(session, jobId(1))).toEqual([]);
  expect(values.release(session, jobId(2))).toEqual([hash]);
});

test("small values and other messages pass unchanged", () => {
  const values = new ValueBlobs(new BlobStore());
  expect(sentValue(values.lighten(launchOf(1, 0, small)))).toEqual({ stage: 1, parts: small });
  const other: MasterToWorker = { kind: "releaseSession", session };
  expect(values.lighten(other)).toBe(other);
});
