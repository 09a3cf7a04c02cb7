// CPU time and collections of one thread, beside others that work.

import { Worker } from "node:worker_threads";
import { afterAll, expect, test } from "vitest";
import { SystemThreadMeter, threadCpuMs } from "../../src/worker/slot/thread-meter.js";

const isKnown = threadCpuMs() > 0;
const others: Worker[] = [];
afterAll(() => Promise.all(others.map((worker) => worker.terminate())));

/** Works until the thread has had so much of a processor. */
function work(cpuMs: number): void {
  const from = threadCpuMs();
  for (let sum = 0; threadCpuMs() - from < cpuMs; sum++) Math.sqrt(sum);
}

test.skipIf(!isKnown)("what other threads work is not counted, nor is waiting (needs Linux)", async () => {
  const busy = new Worker("for (;;);", { eval: true });
  others.push(busy);
  await new Promise((resolve) => busy.once("online", resolve));
  const meter = new SystemThreadMeter(true);
  meter.begin();
  const started = performance.now();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  const idle = await meter.end(performance.now() - started);
  expect(idle.cpuMs).toBeLessThan(150);
  meter.begin();
  work(60);
  const { cpuMs } = await meter.end(0);
  expect(cpuMs).toBeGreaterThan(40);
});

test("collections of a long attempt are its own, though the loop did not turn meanwhile", async () => {
  const meter = new SystemThreadMeter(false);
  meter.begin();
  const started = performance.now();
  let kept: unknown[] = [];
  for (let i = 0; i < 3_000_000; i++) {
    kept.push({ i });
    if (kept.length > 50_000) kept = [];
  }
  const ranMs = performance.now() - started;
  const { gcMs } = await meter.end(ranMs);
  expect(gcMs).toBeGreaterThan(0);
  expect(gcMs).toBeLessThan(ranMs);
  // They are told once.
  meter.begin();
  expect((await meter.end(0)).gcMs).toBe(0);
});
