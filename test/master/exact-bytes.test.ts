// A result of a worker has the bytes that its task has announced, or it is lost.

import { expect, test } from "vitest";
import { exactBytes } from "../../src/master/results/exact-bytes.js";

async function read(sizes: readonly number[], announced: number): Promise<number[]> {
  async function* chunks() {
    for (const size of sizes) yield new Uint8Array(size);
  }
  const seen: number[] = [];
  for await (const chunk of exactBytes(chunks(), announced, "the result")) seen.push(chunk.byteLength);
  return seen;
}

test("as many as announced pass as they come", async () => {
  expect(await read([3, 0, 4], 7)).toEqual([3, 0, 4]);
  expect(await read([], 0)).toEqual([]);
});

test("fewer or more are a failed fetch", async () => {
  const lost = (message: string) => expect.objectContaining({ code: "FETCH_FAILED", message });
  await expect(read([3, 3], 7)).rejects.toEqual(lost("the result, of 7 bytes, ended after 6"));
  await expect(read([], 7)).rejects.toEqual(lost("the result, of 7 bytes, ended after 0"));
  await expect(read([3, 5], 7)).rejects.toEqual(lost("the result, of 7 bytes, has more"));
});
