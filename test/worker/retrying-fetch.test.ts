// A stream of blocks over connections that break: every byte comes once, and what will not pass is told at once.

import { expect, test } from "vitest";
import { MillraceError } from "../../src/core/errors.js";
import { retryingFetch } from "../../src/worker/retrying-fetch.js";

const broken = () => new MillraceError("FETCH_FAILED", "the connection ended", { fields: { status: 14 } });
const refused = () => new MillraceError("FETCH_FAILED", "cannot be reached", { fields: { address: "a:1" } });
const gone = () => new MillraceError("FETCH_FAILED", "no such block", { fields: { shuffle: 1, map: 2, worker: "w" } });

/** One answer an attempt: the bytes 0, 1, 2, ... in chunks of these lengths, then the error, or the end. */
function answers(...attempts: { readonly chunks: readonly number[]; readonly error?: Error }[]) {
  let asked = 0;
  const open = async function* (): AsyncGenerator<Uint8Array> {
    const { chunks, error } = attempts[asked++] ?? { chunks: [], error: new Error("asked too often") };
    let at = 0;
    for (const length of chunks) yield Uint8Array.from({ length }, () => at++);
    if (error !== undefined) throw error;
  };
  return { open, asked: () => asked };
}

async function read(open: () => AsyncIterable<Uint8Array>, retries = 3, signal = new AbortController().signal) {
  const bytes: number[] = [];
  const options = { retries, pausesMs: [0], log: () => undefined };
  for await (const chunk of retryingFetch(open, options, signal)) bytes.push(...chunk);
  return bytes;
}

test("goes on where the connection broke, whatever the chunks are then", async () => {
  const { open, asked } = answers(
    { chunks: [3, 2], error: broken() },
    { chunks: [4], error: broken() },
    { chunks: [1, 1, 5, 2] },
  );
  expect(await read(open)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(asked()).toBe(3);
});

test("gives up after fetch.retries", async () => {
  const { open, asked } = answers(...Array.from({ length: 5 }, () => ({ chunks: [1], error: broken() })));
  await expect(read(open, 3)).rejects.toThrow("the connection ended");
  expect(asked()).toBe(4);
});

test.each([
  ["a refused connection: the worker is dead", refused],
  ["a block that the worker has not", gone],
])("%s, is told at once", async (_, error) => {
  const { open, asked } = answers({ chunks: [], error: error() });
  await expect(read(open)).rejects.toMatchObject({ code: "FETCH_FAILED" });
  expect(asked()).toBe(1);
});

test("a worker that dies in the middle is asked once more, and its refusal is the end", async () => {
  const { open, asked } = answers({ chunks: [2], error: broken() }, { chunks: [], error: refused() });
  await expect(read(open)).rejects.toThrow("cannot be reached");
  expect(asked()).toBe(2);
});

test("is not tried again when nobody wants it any more", async () => {
  const stop = new AbortController();
  const { open, asked } = answers({ chunks: [1], error: broken() });
  stop.abort();
  await expect(read(open, 3, stop.signal)).rejects.toThrow("the connection ended");
  expect(asked()).toBe(1);
});
