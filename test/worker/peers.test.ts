// A worker that the master has given up delivers nothing more to anybody here, however long its streams would still wait.

import { describe, expect, test } from "vitest";
import { workerId } from "../../src/core/ids.js";
import type { TaskLaunch } from "../../src/protocol/tasks.js";
import { Peers } from "../../src/worker/peers.js";
import { RETRY_PAUSES_MS, retryingFetch } from "../../src/worker/retrying-fetch.js";

const a = { worker: workerId("a"), machine: "m", blocks: "a:1", directory: "/a" };
const chunk = Uint8Array.of(1);
const never = new AbortController().signal;

/** One chunk, then nothing until the signal ends it, as a stream of a process that hangs. */
async function* hangs(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield chunk;
  await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}
const givenUp = expect.objectContaining({
  code: "FETCH_FAILED",
  message: "the master has given up worker a: its heartbeats stopped",
});

describe("one that is lost", () => {
  test("ends every stream from it, and no other's", async () => {
    const peers = new Peers();
    const [one, two, other] = ["a:1", "a:1", "b:1"].map((blocks) => peers.follow(blocks, hangs, never));
    for (const stream of [one, two, other]) expect((await stream?.next())?.value).toBe(chunk);
    const waiting = [one, two].map((stream) => stream?.next());
    const others = other?.next();
    peers.lost(a.worker, a.blocks, "its heartbeats stopped");
    for (const next of waiting) await expect(next).rejects.toEqual(givenUp);
    peers.lost(workerId("b"), "b:1", "too");
    await expect(others).rejects.toMatchObject({ message: expect.stringContaining("worker b") });
  });

  test("is asked for nothing more, nor tried again", async () => {
    const peers = new Peers();
    let opened = 0;
    const retry = { retries: 3, pausesMs: RETRY_PAUSES_MS, log: () => undefined };
    const open = (signal: AbortSignal) => {
      opened++;
      return hangs(signal);
    };
    const follow = () => peers.follow(a.blocks, (live) => retryingFetch(() => open(live), retry, live), never);
    const stream = follow();
    await stream.next();
    const next = stream.next();
    peers.lost(a.worker, a.blocks, "its heartbeats stopped");
    await expect(next).rejects.toEqual(givenUp);
    await expect(follow().next()).rejects.toEqual(givenUp);
    expect(opened).toBe(1);
  });

  test("is there again with map outputs, or with a cached partition for a task", async () => {
    const peers = new Peers();
    const works = async () => (await peers.follow(a.blocks, hangs, never).next()).value;
    peers.learn([a]);
    peers.lost(a.worker, a.blocks, "its heartbeats stopped");
    await expect(works()).rejects.toEqual(givenUp);
    peers.learn([a]);
    expect(await works()).toBe(chunk);
    peers.lost(a.worker, a.blocks, "its heartbeats stopped");
    const launch = (worker: string) => ({ cached: [{ worker: workerId(worker) }] }) as unknown as TaskLaunch;
    peers.launched([launch("b")]);
    await expect(works()).rejects.toEqual(givenUp);
    peers.launched([launch("a")]);
    expect(await works()).toBe(chunk);
  });
});

test("a reader's own signal ends its stream with its own reason", async () => {
  const peers = new Peers();
  const own = new AbortController();
  const stream = peers.follow(a.blocks, hangs, own.signal);
  await stream.next();
  const next = stream.next();
  own.abort(new Error("nobody reads any more"));
  await expect(next).rejects.toThrow("nobody reads any more");
});
