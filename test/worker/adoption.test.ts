// Taking over what another worker holds: linked or pulled, checked before anybody sees it, stopped by a release.

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { sealFrame } from "../../src/codec/frame.js";
import { nodeId, sessionId, shuffleId, stageId, workerId } from "../../src/core/ids.js";
import type { AdoptableBlock, AdoptionOutcome } from "../../src/protocol/adoption.js";
import type { BlockRequest } from "../../src/protocol/blocks.js";
import type { WorkerAddress } from "../../src/protocol/tasks.js";
import { encodeTail } from "../../src/shuffle/map-output-file.js";
import { mapOutputPath } from "../../src/shuffle/paths.js";
import { Adoption } from "../../src/worker/adoption.js";
import { BlockService } from "../../src/worker/block-service.js";
import { CacheStore } from "../../src/worker/cache-store.js";
import { until } from "../support/cli.js";
import { scratchDirectory } from "../support/scratch.js";

const scratch = scratchDirectory();
const session = sessionId("s");
let places = 0;

const frame = (fill: number, bodyBytes: number) => {
  const bytes = Buffer.alloc(24 + bodyBytes + 8, fill);
  return sealFrame(bytes, 24 + bodyBytes, 0, 1, false);
};

const output = (map: number, sizeBytes = 1): AdoptableBlock & { kind: "mapOutput" } => ({
  kind: "mapOutput",
  session,
  shuffle: shuffleId(1),
  map,
  stage: stageId(2),
  attempt: 0,
  sizeBytes,
});
const cached = (partition: number, sizeBytes: number): AdoptableBlock & { kind: "cached" } => ({
  kind: "cached",
  session,
  node: nodeId(3),
  generation: 0,
  partition,
  sizeBytes,
});

/** A worker that gives and one that takes, in directories of their own. */
function pair(options: { localReads?: boolean; limitBytes?: number; hold?: Promise<void> } = {}) {
  const worker = (name: string) => {
    const directory = join(scratch, `${++places}-${name}`);
    mkdirSync(directory);
    const address: WorkerAddress = { worker: workerId(name), machine: "m", blocks: name, directory };
    const store = new CacheStore({
      log: () => undefined,
      limitBytes: options.limitBytes ?? 1_000_000,
      pathOf: (_session, node, partition) => join(directory, "cache", `${node}-${partition}`),
      onEvicted: () => expect.fail("something was evicted"),
    });
    return { address, store, blocks: new BlockService(directory, store, 100) };
  };
  const giver = worker("giver");
  const taker = worker("taker");
  const outcomes: AdoptionOutcome[] = [];
  const requests: BlockRequest[] = [];
  const adoption = new Adoption({
    self: taker.address,
    localReads: options.localReads ?? false,
    cache: taker.store,
    fetchBlock: async function* (_address, request) {
      requests.push(request);
      await options.hold;
      yield* giver.blocks.serve(request);
    },
    report: (_from, told) => outcomes.push(...told),
  });
  const write = (block: AdoptableBlock & { kind: "mapOutput" }, frames: readonly Buffer[]) => {
    const path = mapOutputPath(giver.address.directory, block);
    mkdirSync(dirname(path), { recursive: true });
    const data = Buffer.concat(frames);
    writeFileSync(path, Buffer.concat([data, encodeTail(Float64Array.of(0, data.byteLength), new Uint8Array(0))]));
    return path;
  };
  const here = (block: AdoptableBlock & { kind: "mapOutput" }) => mapOutputPath(taker.address.directory, block);
  const adopt = async (...blocks: AdoptableBlock[]) => {
    adoption.adopt(giver.address, blocks);
    await until("every block is reported", () => outcomes.length === blocks.length);
    return blocks.map((block) => outcomes.find((one) => one.block === block)?.error?.code ?? null);
  };
  return { giver, taker, adoption, outcomes, requests, write, here, adopt };
}

describe("a map output", () => {
  test("of the same machine is linked: one file under two names, no request", async () => {
    const { write, here, adopt, requests } = pair({ localReads: true });
    const paths = [output(0), output(1)].map((block) => write(block, [frame(1, 100)]));
    expect(await adopt(output(0), output(1))).toEqual([null, null]);
    expect(paths.map((path) => statSync(path).ino)).toEqual(
      [output(0), output(1)].map((block) => statSync(here(block)).ino),
    );
    expect(requests).toEqual([]);
  });

  test("of elsewhere is pulled byte by byte; frames larger than a piece too", async () => {
    const { write, here, adopt, requests } = pair();
    const path = write(output(0), [frame(1, 100), frame(2, 5_000_000), frame(3, 8)]);
    expect(await adopt(output(0))).toEqual([null]);
    expect(readFileSync(here(output(0))).equals(readFileSync(path))).toBe(true);
    expect(requests.map(({ kind }) => kind)).toEqual(["mapOutput"]);
  });

  test("that is damaged, cut or not there is refused, and nothing of it stays", async () => {
    const { write, here, adopt } = pair();
    for (const [map, damage] of [
      [0, (bytes: Buffer) => bytes.fill(9, 40, 48)],
      [1, (bytes: Buffer) => bytes.subarray(0, bytes.byteLength - 40)],
    ] as const) {
      const path = write(output(map), [frame(1, 100), frame(2, 100)]);
      writeFileSync(path, damage(readFileSync(path)));
    }
    const codes = await adopt(output(0), output(1), output(2));
    expect(codes.slice(0, 2)).toEqual(["BLOCK_CORRUPT", "BLOCK_CORRUPT"]);
    expect(codes[2]).not.toBeNull();
    expect(readdirSync(dirname(here(output(0))))).toEqual([]);
  });

  test("whose shuffle is released on the way leaves nothing and is not reported", async () => {
    let go = () => {};
    const hold = new Promise<void>((resolve) => (go = resolve));
    const { write, here, adoption, giver, outcomes, requests } = pair({ hold });
    write(output(0), [frame(1, 100)]);
    adoption.adopt(giver.address, [output(0)]);
    await until("it is asked for", () => requests.length === 1);
    adoption.release(session, shuffleId(1));
    go();
    // Another shuffle's block comes after it in every respect.
    const later = { ...output(1), shuffle: shuffleId(2) };
    write(later, [frame(1, 100)]);
    adoption.adopt(giver.address, [later]);
    await until("the later one is here", () => outcomes.length === 1);
    expect(existsSync(here(output(0)))).toBe(false);
    expect(outcomes[0]?.block).toEqual(later);
  });
});

describe("a cached partition", () => {
  const offer = (partition: number, level: "MEMORY_ONLY" | "MEMORY_AND_DISK" | "DISK_ONLY") => {
    const bytes = Buffer.concat([frame(1, 400), frame(2, 400)]);
    const frames = new SharedArrayBuffer(bytes.byteLength);
    new Uint8Array(frames).set(bytes);
    const schemas = Uint8Array.of(1, 2, 3);
    return { session, level, sizeBytes: bytes.byteLength, block: { node: nodeId(3), partition, schemas, frames } };
  };

  test("keeps its level, schemas and frames", async () => {
    const { giver, taker, adopt } = pair();
    const levels = ["MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"] as const;
    for (const [partition, level] of levels.entries()) giver.store.store(offer(partition, level));
    expect(await adopt(...levels.map((_, partition) => cached(partition, 848)))).toEqual([null, null, null]);
    levels.forEach((level, partition) => {
      expect(taker.store.levelOf(session, nodeId(3), partition)).toBe(level);
      const { schemas, frames } = taker.store.get(session, nodeId(3), partition) ?? expect.fail();
      expect([...schemas]).toEqual([1, 2, 3]);
      const bytes = frames instanceof SharedArrayBuffer ? new Uint8Array(frames) : readFileSync(frames.path);
      expect(Buffer.from(bytes).equals(Buffer.concat([frame(1, 400), frame(2, 400)]))).toBe(true);
    });
  });

  test("evicts nobody for itself, and says so; one that is gone is refused", async () => {
    const { giver, taker, adopt } = pair({ limitBytes: 1_000 });
    giver.store.store(offer(0, "MEMORY_ONLY"));
    taker.store.store({ ...offer(7, "MEMORY_ONLY"), block: { ...offer(7, "MEMORY_ONLY").block, node: nodeId(4) } });
    expect(await adopt(cached(0, 848), cached(1, 848))).toEqual(["CACHE_FULL", "FETCH_FAILED"]);
    expect(taker.store.get(session, nodeId(4), 7)).toBeDefined();
  });
});
