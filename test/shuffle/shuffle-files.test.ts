import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noClasses } from "../../src/codec/class-registry.js";
import { decodeRecords, encodeRecords } from "../../src/codec/records.js";
import { SchemaTable } from "../../src/codec/schema.js";
import { isMillraceError, MillraceError } from "../../src/core/errors.js";
import { sessionId, shuffleId, stageId, workerId } from "../../src/core/ids.js";
import { CountingBudget } from "../../src/core/memory.js";
import type { MapOutputLocations, WorkerAddress } from "../../src/protocol/tasks.js";
import { fetchFailureOf } from "../../src/shuffle/fetch-error.js";
import { type FetchRequest, planFetch } from "../../src/shuffle/fetch-plan.js";
import { ShuffleFrameReader } from "../../src/shuffle/frame-reader.js";
import { MapOutputFiles } from "../../src/shuffle/map-output-files.js";
import { MapOutputWriter } from "../../src/shuffle/map-output-writer.js";
import { mapOutputPath, shuffleDirectory } from "../../src/shuffle/paths.js";
import { type RemoteBlocks, serveBlocks } from "../../src/shuffle/served-blocks.js";
import { FileSpillStore } from "../../src/shuffle/spill-store.js";
import { scratchDirectory } from "../support/scratch.js";

const root = scratchDirectory();
const session = sessionId("s");
const stage = stageId(4);
let shuffles = 0;

type Row = readonly [number, string];
/** What a map writes: batches for partitions, in order. */
type MapData = readonly { readonly partition: number; readonly rows: readonly Row[] }[];

function worker(name: string, machine = "here"): WorkerAddress {
  const directory = join(root, name);
  mkdirSync(directory, { recursive: true });
  return { worker: workerId(name), machine, blocks: "", directory };
}

function writeMap(path: string, partitions: number, data: MapData, memoryBytes = 1e9, holdBytes?: number) {
  const spill = new FileSpillStore(join(root, `spill-${Math.random()}`));
  const memory = new CountingBudget(memoryBytes);
  const schemas = new SchemaTable();
  const writer = new MapOutputWriter({
    path,
    partitions,
    memory,
    spill,
    freeBytes: 0,
    ...(holdBytes === undefined ? {} : { holdBytes }),
  });
  for (const { partition, rows } of data) {
    writer.write(partition, encodeRecords(rows, 0, rows.length, schemas, noClasses));
  }
  const sizes = writer.commit(schemas);
  expect(memory.reservedBytes).toBe(0);
  const spilled = spill.writtenBytes;
  spill.dispose();
  return { sizes, spilled };
}

interface Written {
  readonly locations: MapOutputLocations;
  readonly maps: readonly MapData[];
}

/** Writes maps[i] on owners[i]. */
function writeShuffle(
  partitions: number,
  maps: readonly MapData[],
  owners: readonly WorkerAddress[],
  memoryBytes?: number,
): Written {
  const shuffle = shuffleId(++shuffles);
  maps.forEach((data, map) => {
    const path = mapOutputPath(owners[map]!.directory, { session, shuffle, map, stage, attempt: 0 });
    writeMap(path, partitions, data, memoryBytes);
  });
  const outputs = owners.map((owner) => ({ worker: owner.worker, stage, attempt: 0 }));
  return { maps, locations: { session, shuffle, version: 1, outputs, workers: [...new Set(owners)] } };
}

function read(
  written: Written,
  partition: number,
  options: { machine?: string; chunkBytes?: number; files?: MapOutputFiles } = {},
) {
  const files = options.files ?? new MapOutputFiles();
  const plan = planFetch(written.locations, {
    self: workerId("none"),
    machine: options.machine ?? "here",
    localReads: true,
    isReadable: existsSync,
  });
  const openRemote = (request: FetchRequest, of: number): RemoteBlocks => {
    const stream = serveBlocks(files, request.worker.directory, request, of, options.chunkBytes ?? 512);
    return { pull: () => stream.next().value ?? null, close: () => undefined };
  };
  const reader = new ShuffleFrameReader({ plan, partition, files, openRemote });
  const rows: (readonly [map: number, ...Row])[] = [];
  try {
    for (let next = reader.next(); next !== null; next = reader.next()) {
      for (const row of decodeRecords(next.frame, next.schemas, noClasses) as Row[]) rows.push([next.map, ...row]);
    }
  } finally {
    reader.close();
    if (options.files === undefined) files.close();
  }
  return rows;
}

function expected(maps: readonly MapData[], partition: number) {
  return maps.flatMap((data, map) =>
    data.filter((batch) => batch.partition === partition).flatMap((batch) => batch.rows.map((row) => [map, ...row])),
  );
}

const rowsOf = (seed: number, count: number, width: number): Row[] =>
  Array.from({ length: count }, (_, i) => [seed * 1000 + i, "v".repeat((i * 7 + seed) % (width + 1))]);

const errorOf = (run: () => unknown): MillraceError => {
  try {
    run();
  } catch (error) {
    if (isMillraceError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("a shuffle", () => {
  it("gives each partition its records in map order, from files and from streams of any chunking", () => {
    const batch = fc.record({ partition: fc.nat(4), count: fc.integer({ min: 1, max: 20 }), width: fc.nat(60) });
    fc.assert(
      fc.property(
        fc.array(fc.array(batch, { maxLength: 8 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 9, max: 300 }),
        fc.constantFrom(1e9, 2000, 300, 10),
        (plan, chunkBytes, memoryBytes) => {
          const maps = plan.map((batches, m) =>
            batches.map(({ partition, count, width }, b) => ({ partition, rows: rowsOf(m * 10 + b, count, width) })),
          );
          const owners = maps.map((_, map) => worker(`w${map % 3}`, map % 3 === 0 ? "here" : "there"));
          const distinct = new Map(owners.map((owner) => [owner.worker, owner]));
          const written = writeShuffle(
            5,
            maps,
            owners.map((owner) => distinct.get(owner.worker)!),
            memoryBytes,
          );
          for (let partition = 0; partition < 5; partition++) {
            expect(read(written, partition, { chunkBytes })).toEqual(expected(maps, partition));
            expect(read(written, partition, { machine: "there", chunkBytes })).toEqual(expected(maps, partition));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("reads blocks of many windows and frames larger than one", () => {
    const big = (seed: number): Row[] => [[seed, Buffer.alloc(2_500_000, `${seed}-`).toString("latin1")]];
    const data: MapData = [
      ...Array.from({ length: 60 }, (_, i) => ({ partition: 1, rows: rowsOf(i, 500, 90) })),
      { partition: 1, rows: big(1) },
      { partition: 1, rows: rowsOf(99, 3, 3) },
      { partition: 1, rows: big(2) },
    ];
    const written = writeShuffle(2, [data], [worker("big")]);
    expect(read(written, 1)).toEqual(expected([data], 1));
    expect(read(written, 1, { machine: "far", chunkBytes: 100_000 })).toEqual(expected([data], 1));
    expect(read(written, 0)).toEqual([]);
  });

  it("reads small blocks ahead of the partitions that come next, in any order of them", () => {
    const partitions = 400;
    const maps = [0, 1].map(
      (map): MapData =>
        Array.from({ length: partitions }, (_, partition) => ({
          partition,
          rows: rowsOf(map + partition, 3, partition % 50 === 0 ? 4000 : 30),
        })),
    );
    const written = writeShuffle(partitions, maps, [worker("small-a"), worker("small-b")]);
    const files = new MapOutputFiles();
    const orders = [(i: number) => i, (i: number) => partitions - 1 - i, (i: number) => (i * 171) % partitions];
    for (const order of orders) {
      for (let i = 0; i < partitions; i++) expect(read(written, order(i), { files })).toEqual(expected(maps, order(i)));
    }
    files.close();
  });

  it("writes the same file with and without memory", () => {
    const data = Array.from({ length: 200 }, (_, i) => ({ partition: (i * 7) % 11, rows: rowsOf(i, 30, 40) }));
    const paths = [1e9, 20_000, 1000, 1].map((memoryBytes) => {
      const path = join(root, "same", `${memoryBytes}.data`);
      const { sizes, spilled } = writeMap(path, 11, data, memoryBytes);
      expect(spilled > 0).toBe(memoryBytes < 1e9);
      expect(sizes.length).toBe(11);
      return path;
    });
    const files = new Set(paths.map((path) => readFileSync(path).toString("base64")));
    expect(files.size).toBe(1);
    const held = join(root, "same", "held.data");
    expect(writeMap(held, 11, data, 1e9, 5000).spilled).toBeGreaterThan(0);
    expect(files.has(readFileSync(held).toString("base64"))).toBe(true);
    expect(readdirSync(join(root, "same")).filter((name) => name.endsWith(".pending"))).toEqual([]);
  });

  it("does not make a run of every frame when others have used the budget up", () => {
    const spill = new FileSpillStore(join(root, "tight"));
    const path = join(root, "tight.data");
    const writer = new MapOutputWriter({ path, partitions: 2, memory: new CountingBudget(0), spill });
    const frame = new Uint8Array(1000);
    for (let i = 0; i < 1000; i++) writer.write(i % 2, frame);
    expect(spill.writtenBytes).toBe(0);
    for (let i = 0; i < 1000; i++) writer.write(i % 2, frame);
    expect(spill.writtenBytes).toBe(1_048_000);
    expect(writer.commit(new SchemaTable())).toEqual([1_000_000, 1_000_000]);
    spill.dispose();
  });

  it("leaves nothing of an aborted attempt", () => {
    const directory = join(root, "aborted");
    const spill = new FileSpillStore(join(directory, "spill"));
    const memory = new CountingBudget(1000);
    const path = join(directory, "out", "0-1-0.data");
    const writer = new MapOutputWriter({ path, partitions: 3, memory, spill, freeBytes: 0 });
    const schemas = new SchemaTable();
    const rows = rowsOf(1, 50, 50);
    for (let i = 0; i < 10; i++) writer.write(i % 3, encodeRecords(rows, 0, rows.length, schemas, noClasses));
    writer.abort();
    writer.abort();
    spill.dispose();
    expect(memory.reservedBytes).toBe(0);
    expect(existsSync(path)).toBe(false);
    expect(existsSync(join(directory, "spill"))).toBe(false);
  });
});

describe("damage and loss", () => {
  const setUp = () => {
    const owners = [worker("d0"), worker("d1", "there")];
    const maps = owners.map((_, map) => [0, 1].map((partition) => ({ partition, rows: rowsOf(map, 40, 30) })));
    const written = writeShuffle(2, maps, owners);
    const shuffle = written.locations.shuffle;
    const paths = owners.map((owner, map) =>
      mapOutputPath(owner.directory, { session, shuffle, map, stage, attempt: 0 }),
    );
    return { written, paths, shuffle };
  };

  it("names shuffle, map and worker of an output that is gone", () => {
    for (const map of [0, 1]) {
      const { written, paths, shuffle } = setUp();
      rmSync(paths[map]!);
      const error = errorOf(() => read(written, 1));
      expect(error.code).toBe("FETCH_FAILED");
      expect(fetchFailureOf(new Error("wrapped", { cause: error }))).toEqual({ shuffle, map, worker: `d${map}` });
    }
  });

  it("finds a changed byte anywhere in a file, read directly or through a stream", () => {
    for (const map of [0, 1]) {
      const { written, paths, shuffle } = setUp();
      const good = readFileSync(paths[map]!);
      for (let at = 0; at < good.length; at += 13) {
        const bad = Buffer.from(good);
        bad[at]! ^= 0x40;
        writeFileSync(paths[map]!, bad);
        const failures = [0, 1].flatMap((partition) => {
          try {
            read(written, partition);
            return [];
          } catch (error) {
            return [fetchFailureOf(error)];
          }
        });
        expect(failures[0], `byte ${at}`).toEqual({ shuffle, map, worker: `d${map}` });
      }
    }
  });

  it("finds a file that was cut, and a stream that ends early", () => {
    const { written, paths } = setUp();
    truncateSync(paths[0]!, 100);
    expect(errorOf(() => read(written, 0)).code).toBe("BLOCK_CORRUPT");
    const other = setUp();
    const plan = planFetch(other.written.locations, {
      self: workerId("x"),
      machine: "m",
      localReads: false,
      isReadable: () => true,
    });
    const files = new MapOutputFiles();
    const openRemote = (request: FetchRequest, of: number): RemoteBlocks => {
      const [first] = serveBlocks(files, request.worker.directory, request, of, 100);
      const chunks = [first!];
      return { pull: () => chunks.shift() ?? null, close: () => undefined };
    };
    const reader = new ShuffleFrameReader({ plan, partition: 0, files, openRemote });
    expect(errorOf(() => reader.next()).code).toBe("FETCH_FAILED");
    reader.close();
    files.close();
  });

  describe("of another worker, with blocks and without", () => {
    // The maps in the middle and at the end have nothing for partition 0.
    const some = (seed: number): MapData => [{ partition: 0, rows: rowsOf(seed, 3, 5) }];
    const none: MapData = [{ partition: 1, rows: rowsOf(9, 2, 5) }];
    const maps = [some(1), none, some(2), none];
    const far = () => {
      const owner = worker("far", "there");
      const written = writeShuffle(2, maps, [owner, owner, owner, owner]);
      return { written, rows: expected(maps, 0) };
    };
    /** Reads partition 0 of answers that `change` has been at; the first answer alone, or each one. */
    const readChanged = (written: Written, change: (whole: Buffer) => Uint8Array, always: boolean) => {
      const plan = planFetch(written.locations, {
        self: workerId("x"),
        machine: "m",
        localReads: false,
        isReadable: () => true,
      });
      const files = new MapOutputFiles();
      let answers = 0;
      const openRemote = (request: FetchRequest, of: number): RemoteBlocks => {
        const whole = Buffer.concat([...serveBlocks(files, request.worker.directory, request, of, 4096)]);
        const chunks = [answers++ === 0 || always ? change(whole) : whole];
        return { pull: () => chunks.shift() ?? null, close: () => undefined };
      };
      const reader = new ShuffleFrameReader({ plan, partition: 0, files, openRemote });
      const rows: unknown[] = [];
      try {
        for (let next = reader.next(); next !== null; next = reader.next())
          for (const row of decodeRecords(next.frame, next.schemas, noClasses) as Row[]) rows.push([next.map, ...row]);
      } finally {
        reader.close();
        files.close();
      }
      return rows;
    };
    const length = (written: Written) => {
      let bytes = 0;
      readChanged(
        written,
        (whole) => {
          bytes = whole.byteLength;
          return whole;
        },
        true,
      );
      return bytes;
    };

    it("passes over no changed byte: what comes once is read again, what stays is told", () => {
      const { written, rows } = far();
      const bytes = length(written);
      for (let at = 0; at < bytes; at++) {
        const flip = (whole: Buffer) => {
          whole[at]! ^= 0x40;
          return whole;
        };
        // Zeros that fill up a schema table mean nothing.
        const seen = (always: boolean): unknown => {
          try {
            return readChanged(written, flip, always);
          } catch (error) {
            return fetchFailureOf(error)?.worker;
          }
        };
        expect(seen(false), `byte ${at} once`).toEqual(rows);
        const stays = seen(true);
        if (stays !== "far") expect(stays, `byte ${at} always`).toEqual(rows);
        if (at < 24) expect(stays, `byte ${at} of the first head`).toBe("far");
      }
    });

    it("takes no end of the stream for a map without records, wherever it comes", () => {
      const { written } = far();
      const bytes = length(written);
      for (let end = 0; end < bytes; end++)
        expect(errorOf(() => readChanged(written, (whole) => whole.subarray(0, end), true)).code, `${end}`).toBe(
          "FETCH_FAILED",
        );
    });

    it("tells of a map that the answer leaves out", () => {
      const { written } = far();
      const head = 24;
      // The first map's block goes; the second one, which is empty, comes first.
      const second = (whole: Buffer) => {
        for (let at = 8; at + head <= whole.byteLength; at += 8)
          if (whole.readUInt32LE(at) === 1 && whole.readUInt32LE(at + 4) === 0 && whole.readDoubleLE(at + 8) === 0)
            return whole.subarray(at);
        throw new Error("the second map has no head");
      };
      expect(fetchFailureOf(errorOf(() => readChanged(written, second, true)))).toMatchObject({ map: 0 });
    });
  });

  it("reads a damaged block once more: no frame comes twice, none is left out", () => {
    const big: MapData = [0, 1, 2, 3].map((part) => ({
      partition: 0,
      rows: Array.from({ length: 500 }, (_, i): Row => [i, `row ${part * 500 + i}`]),
    }));
    const written = writeShuffle(2, [big, big], [worker("d0"), worker("d1")], 16 * 1024);
    const plan = planFetch(written.locations, {
      self: workerId("x"),
      machine: "m",
      localReads: false,
      isReadable: () => true,
    });
    const files = new MapOutputFiles();
    const asked: number[][] = [];
    const openRemote = (request: FetchRequest, of: number): RemoteBlocks => {
      asked.push(request.outputs.map(({ map }) => map));
      const whole = Buffer.concat([...serveBlocks(files, request.worker.directory, request, of, 4096)]);
      // The first answer of d1 is damaged near its end: earlier frames of the block have been handed out by then.
      if (asked.length === 2) whole[whole.length - 20]! ^= 1;
      const chunks: Uint8Array[] = [whole];
      return { pull: () => chunks.shift() ?? null, close: () => undefined };
    };
    const reader = new ShuffleFrameReader({ plan, partition: 0, files, openRemote });
    const rows: (readonly [number, ...Row])[] = [];
    let frames = 0;
    for (let next = reader.next(); next !== null; next = reader.next(), frames++) {
      for (const row of decodeRecords(next.frame, next.schemas, noClasses) as Row[]) rows.push([next.map, ...row]);
    }
    reader.close();
    files.close();
    expect(asked).toEqual([[0], [1], [1]]);
    expect(frames).toBeGreaterThan(2);
    expect(rows).toEqual(expected([big, big], 0));
  });

  it("serves nothing for a request that names a path", () => {
    const { written, shuffle } = setUp();
    const outputs = [{ map: "../../d0/shuffle/s/1/0" as unknown as number, stage, attempt: 0 }];
    const request: FetchRequest = { worker: written.locations.workers[0]!, session, shuffle, outputs };
    const files = new MapOutputFiles();
    expect(errorOf(() => [...serveBlocks(files, root, request, 0)]).code).toBe("PROTOCOL_ERROR");
  });

  it("passes on what the transport says, with the map that was waited for", () => {
    const { written, shuffle } = setUp();
    const plan = planFetch(written.locations, {
      self: workerId("d0"),
      machine: "m",
      localReads: true,
      isReadable: () => true,
    });
    const files = new MapOutputFiles();
    let closed = 0;
    const reader = new ShuffleFrameReader({
      plan,
      partition: 0,
      files,
      openRemote: () => ({
        pull: () => {
          throw new MillraceError("TIMEOUT", "worker d1 did not answer in 30 s");
        },
        close: () => closed++,
      }),
    });
    expect(reader.next()?.map).toBe(0);
    expect(fetchFailureOf(errorOf(() => reader.next()))).toEqual({ shuffle, map: 1, worker: "d1" });
    reader.close();
    reader.close();
    expect(closed).toBe(1);
    files.close();
  });
});

describe("planFetch", () => {
  it("reads its own and its machine's files, and asks the others once each", () => {
    const workers = [worker("a"), worker("b"), worker("c", "far"), worker("e")];
    const outputs = [0, 1, 2, 2, 3, 0].map((w, i) => ({ worker: workers[w]!.worker, stage, attempt: i }));
    const locations: MapOutputLocations = { session, shuffle: shuffleId(9), version: 1, outputs, workers };
    const options = {
      self: workerId("a"),
      machine: "here",
      localReads: true,
      isReadable: (d: string) => !d.endsWith("/e"),
    };
    const plan = planFetch(locations, options);
    expect(plan.maps.map((origin) => (origin.kind === "file" ? "file" : origin.request))).toEqual([
      "file",
      "file",
      0,
      0,
      1,
      "file",
    ]);
    expect(plan.requests.map((request) => request.outputs.map((output) => output.map))).toEqual([[2, 3], [4]]);
    const remote = planFetch(locations, { ...options, localReads: false });
    expect(remote.maps.map((origin) => origin.kind)).toEqual([
      "file",
      "request",
      "request",
      "request",
      "request",
      "file",
    ]);
  });
});

describe("MapOutputFiles", () => {
  it("keeps no more files open than allowed, and lets go of a released shuffle", () => {
    const owners = Array.from({ length: 12 }, () => worker("lru"));
    const maps = owners.map((_, map) => [{ partition: 0, rows: rowsOf(map, 5, 5) }]);
    const owner = owners[0]!;
    const written = writeShuffle(
      1,
      maps,
      owners.map(() => owner),
    );
    const files = new MapOutputFiles({ maxFiles: 4 });
    for (let round = 0; round < 3; round++) {
      expect(read(written, 0, { files })).toEqual(expected(maps, 0));
      expect(files.openFiles).toBeLessThanOrEqual(4);
    }
    files.release(shuffleDirectory(owner.directory, session, written.locations.shuffle));
    expect(files.openFiles).toBe(0);
    const frugal = new MapOutputFiles({ maxIndexBytes: 1 });
    expect(read(written, 0, { files: frugal })).toEqual(expected(maps, 0));
    expect(frugal.openFiles).toBe(1);
    frugal.close();
  });
});

describe("FileSpillStore", () => {
  it("reads back what was appended, buffered or not, and removes everything", () => {
    const directory = join(root, "spills");
    const store = new FileSpillStore(directory);
    const a = store.create("sort");
    const b = store.create("sort");
    const parts = [10, 300_000, 5, 200_000, 100_000, 1].map((size, i) => Buffer.alloc(size, i + 1));
    const offsets = parts.map((part) => a.append(part));
    b.append(Buffer.from("other"));
    expect(parts.every((part, i) => part.equals(a.read(offsets[i]!, part.length)))).toBe(true);
    expect(a.sizeBytes).toBe(600_016);
    expect(store.writtenBytes).toBe(600_021);
    expect(errorOf(() => a.read(600_000, 17)).code).toBe("IO_ERROR");
    a.delete();
    a.delete();
    store.dispose();
    expect(existsSync(directory)).toBe(false);
  });

  it("says when the directory cannot be made", () => {
    writeFileSync(join(root, "afile"), "");
    expect(errorOf(() => new FileSpillStore(join(root, "afile", "x")).create("sort")).code).toBe("NOT_A_DIRECTORY");
  });
});
