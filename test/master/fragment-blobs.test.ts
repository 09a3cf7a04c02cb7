// Which fragments a session's master keeps: those of running jobs, and some of those used last.

import { expect, test } from "vitest";
import { type BlobHash, blobHash, jobId } from "../../src/core/ids.js";
import { FragmentBlobs } from "../../src/master/fragment-blobs.js";

const hash = (n: number): BlobHash => blobHash(n.toString(16).padStart(64, "0"));
const stage = (n: number, bytes = 10) => ({ fragmentHash: hash(n), fragment: new Uint8Array(bytes) });

test("of a thousand jobs with functions of their own 256 are kept, and the one that each runs again", () => {
  const kept = new Set<BlobHash>();
  const fragments = new FragmentBlobs((one) => kept.add(one));
  const running = jobId(5000);
  fragments.begun(running, [stage(7000)]);
  for (let job = 1; job <= 1000; job++) {
    fragments.begun(jobId(job), [stage(job), stage(0)]);
    for (const dropped of fragments.ended(jobId(job))) kept.delete(dropped);
  }
  expect(kept.size).toBe(257);
  expect([0, 1000, 7000].every((n) => kept.has(hash(n)))).toBe(true);
  expect(kept.has(hash(1))).toBe(false);
  // Twice told is once ended.
  expect(fragments.ended(jobId(1000))).toEqual([]);
});

test("one that two jobs run stays until both have ended; large ones go sooner", () => {
  const fragments = new FragmentBlobs(() => undefined);
  const large = 20 * 1024 * 1024;
  fragments.begun(jobId(1), [stage(1, large)]);
  fragments.begun(jobId(2), [stage(1, large), stage(2, large)]);
  expect(fragments.ended(jobId(1))).toEqual([]);
  expect(fragments.ended(jobId(2))).toEqual([hash(1)]);
  // Dropped, and begun anew.
  fragments.begun(jobId(3), [stage(1, large)]);
  expect(fragments.ended(jobId(3))).toEqual([hash(2)]);
});
