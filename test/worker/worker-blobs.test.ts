// Blobs in a worker: what launches name stays, the rest is a cache of so many bytes.

import { expect, test } from "vitest";
import { type BlobHash, blobHash } from "../../src/core/ids.js";
import { WorkerBlobs } from "../../src/worker/worker-blobs.js";

const hash = (n: number): BlobHash => blobHash(n.toString(16).padStart(64, "0"));

function blobs(limitBytes: number, sizeBytes = 10) {
  const asked: BlobHash[] = [];
  const made = new WorkerBlobs(async (wanted) => {
    asked.push(wanted);
    return new Uint8Array(sizeBytes);
  }, limitBytes);
  return { made, asked };
}

test("broadcast values of many jobs hold no more than the limit, and come again when they are asked for", async () => {
  const { made, asked } = blobs(35);
  for (let n = 0; n < 100; n++) {
    await made.get(hash(n));
    expect(made.heldBytes).toBeLessThanOrEqual(35);
  }
  await made.get(hash(99));
  expect(asked).toHaveLength(100);
  await made.get(hash(0));
  expect(asked).toHaveLength(101);
});

test("the longest unused goes first, and one that is larger than the limit is there while it is the last", async () => {
  const { made, asked } = blobs(25);
  await made.get(hash(1));
  await made.get(hash(2));
  await made.get(hash(1));
  await made.get(hash(3));
  expect([1, 2, 3].map((n) => made.bytesOf(hash(n)) !== undefined)).toEqual([true, false, true]);
  expect(asked).toHaveLength(3);
  const large = blobs(25, 100);
  await large.made.get(hash(1));
  await large.made.get(hash(1));
  expect(large.asked).toHaveLength(1);
});

test("what launches name stays until it is dropped, or until no launch can name it", async () => {
  const { made } = blobs(10);
  for (let n = 0; n < 10; n++) expect(await made.pin(hash(n))).toBe(true);
  await made.get(hash(10));
  await made.get(hash(11));
  expect(made.heldBytes).toBe(110);
  made.drop(hash(0));
  expect(made.bytesOf(hash(0))).toBeUndefined();
  made.keepPinned((one) => one === hash(5));
  expect(made.bytesOf(hash(5))).toBeDefined();
  expect(made.heldBytes).toBe(20);
});

test("asked for at once it is fetched once; dropped on its way it is not taken for there; a failure is forgotten", async () => {
  const { made, asked } = blobs(100);
  const first = made.pin(hash(1));
  const second = made.get(hash(1));
  made.drop(hash(1));
  expect(await first).toBe(false);
  expect((await second).byteLength).toBe(10);
  expect(asked).toHaveLength(1);
  expect(made.bytesOf(hash(1))).toBeUndefined();
  let fails = true;
  const failing = new WorkerBlobs(async () => {
    if (fails) throw new Error("no master is connected");
    return new Uint8Array(1);
  });
  await expect(failing.pin(hash(1))).rejects.toThrow("no master");
  fails = false;
  expect(await failing.pin(hash(1))).toBe(true);
});
