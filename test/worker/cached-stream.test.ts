// A cached partition on its way to another worker: any chunking gives its frames, no changed byte and no early end gives fewer.

import { mkdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readFrameHeader, sealFrame } from "../../src/codec/frame.js";
import { SchemaTable } from "../../src/codec/schema.js";
import { isMillraceError } from "../../src/core/errors.js";
import { nodeId, sessionId } from "../../src/core/ids.js";
import { parseCachedPartition } from "../../src/worker/adopted-partition.js";
import { BlockService } from "../../src/worker/block-service.js";
import { CacheStore } from "../../src/worker/cache-store.js";
import { StreamFrameSource } from "../../src/worker/slot/cached-frames.js";
import { scratchDirectory } from "../support/scratch.js";

const scratch = scratchDirectory();
const session = sessionId("s");
const node = nodeId(3);
const frame = (fill: number, bodyBytes: number) =>
  sealFrame(Buffer.alloc(24 + bodyBytes + 8, fill), 24 + bodyBytes, 0, 1, false);
const frames = [frame(1, 40), frame(2, 400), frame(3, 8)];
const bytes = Buffer.concat(frames);

function cacheWith(level: "MEMORY_ONLY" | "DISK_ONLY") {
  const directory = join(scratch, `${level}-${Math.random()}`);
  mkdirSync(directory);
  const store = new CacheStore({
    log: () => undefined,
    limitBytes: 100_000,
    pathOf: (_session, of, partition) => join(directory, `${of}-${partition}`),
    onEvicted: () => undefined,
  });
  const shared = new SharedArrayBuffer(bytes.byteLength);
  new Uint8Array(shared).set(bytes);
  const block = { node, partition: 0, schemas: new SchemaTable().toBytes(), frames: shared };
  store.store({ session, level, sizeBytes: bytes.byteLength, block });
  return { store, path: join(directory, "3-0"), service: new BlockService(directory, store, 10) };
}

async function served(service: BlockService, kind: "cached" | "adoptCached" = "cached"): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of service.serve({ kind, session, node, partition: 0, generation: 0 })) parts.push(part);
  return Buffer.concat(parts);
}

/** The frames, or the code of the error; null: the partition is not there. */
function read(stream: Uint8Array, chunk = 100): unknown {
  const parts = Array.from({ length: Math.ceil(stream.byteLength / chunk) }, (_, at) =>
    stream.slice(at * chunk, (at + 1) * chunk),
  );
  const pieces = { next: () => parts.shift() ?? null, close: () => undefined };
  try {
    const source = StreamFrameSource.open(pieces);
    if (source === null) return null;
    const read: Buffer[] = [];
    for (let next = source.next(); next !== null; next = source.next()) {
      readFrameHeader(next.frame);
      read.push(Buffer.from(next.frame));
    }
    return Buffer.concat(read);
  } catch (error) {
    return isMillraceError(error) ? error.code : error;
  }
}

describe.each(["MEMORY_ONLY", "DISK_ONLY"] as const)("a partition kept at %s", (level) => {
  test("comes whole in pieces of any size", async () => {
    const stream = await served(cacheWith(level).service);
    for (const chunk of [1, 7, 64, 10_000]) expect(read(stream, chunk)).toEqual(bytes);
  });

  test("gives BLOCK_CORRUPT wherever a byte changes or the stream ends early, also between two frames", async () => {
    const { service } = cacheWith(level);
    const stream = await served(service);
    const adopted = await served(service, "adoptCached");
    for (let at = 0; at < stream.byteLength; at++) {
      const changed = Buffer.from(stream);
      changed[at]! ^= 0x40;
      expect(read(changed), `byte ${at}`).toBe("BLOCK_CORRUPT");
      expect(read(stream.subarray(0, at)), `end at ${at}`).toBe(at === 0 ? null : "BLOCK_CORRUPT");
    }
    for (let at = 1; at < adopted.byteLength; at++) {
      const changed = Buffer.from(adopted);
      changed[at]! ^= 0x40;
      const corrupt = expect.objectContaining({ code: "BLOCK_CORRUPT" });
      expect(() => parseCachedPartition([changed], changed.byteLength), `byte ${at}`).toThrow(corrupt);
      expect(() => parseCachedPartition([adopted.subarray(0, at)], at), `end at ${at}`).toThrow(corrupt);
    }
  });
});

test("a file that lost its last frame is no shorter partition", async () => {
  const { path, service } = cacheWith("DISK_ONLY");
  truncateSync(path, bytes.byteLength - (frames[2] as Uint8Array).byteLength);
  expect(read(await served(service))).toBe("BLOCK_CORRUPT");
});
