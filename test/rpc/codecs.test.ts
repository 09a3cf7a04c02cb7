// Every message between processes survives its bytes; bytes that are no message are refused with the field's name.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { errorCatalog } from "../../src/core/error-codes.js";
import type { ErrorCode, WireError } from "../../src/core/errors.js";
import { metricNames } from "../../src/core/task-metrics.js";
import {
  decodeDriverMessage,
  decodeMasterToDriver,
  decodeMasterToWorker,
  decodeWorkerMessage,
  encodeDriverMessage,
  encodeMasterToDriver,
  encodeMasterToWorker,
  encodeWorkerMessage,
} from "../../src/rpc/codecs/index.js";
import { decodeSizes, encodeSizes } from "../../src/rpc/codecs/size-scale.js";
import { millrace as pb } from "../../src/rpc/generated/messages.js";

const text = fc.string({ unit: "binary", maxLength: 20 });
const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
const count = fc.nat(0xffffffff);
const size = fc.double({ min: 0, max: 2 ** 53, noNaN: true }).map((n) => n + 0);
const bytes = fc.uint8Array({ maxLength: 50 });
const list = <T>(of: fc.Arbitrary<T>) => fc.array(of, { maxLength: 5 });
const record = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { noNullPrototype: true });
const kind = <K extends string>(k: K) => fc.constant(k);

const json = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null), list(fc.integer()));
const plainError = record({
  code: fc.constantFrom(...(Object.keys(errorCatalog) as ErrorCode[])),
  message: text,
  fields: fc.dictionary(
    fc.string({ maxLength: 5 }).filter((key) => key !== "__proto__"),
    json,
    { noNullPrototype: true, maxKeys: 4 },
  ),
});
const error: fc.Arbitrary<WireError> = fc
  .array(fc.tuple(plainError, fc.option(text)), { minLength: 1, maxLength: 4 })
  .map((chain) =>
    chain.reduceRight<WireError | undefined>((cause, [plain, stack]) => {
      return { ...plain, ...(stack === null ? {} : { stack }), ...(cause === undefined ? {} : { cause }) } as WireError;
    }, undefined),
  )
  .map((chain) => chain as WireError);

const key = record({ session: name, job: count, stage: count, partition: count, attempt: count });
const split = fc.oneof(
  record({
    kind: kind("file"),
    url: name,
    start: size,
    length: size,
    fileSize: size,
    modifiedMs: size,
    compression: fc.constantFrom("none", "gzip"),
  }),
  record({ kind: kind("bytes"), bytes }),
  record({ kind: kind("range"), start: size, step: size, count: size }),
);
const value = fc
  .tuple(record({ stage: count, parts: list(bytes) }), fc.option(name))
  .map(([plain, blob]) => ({ ...plain, ...(blob === null ? {} : { blob }) }));
const slice = record({
  partition: count,
  parts: fc.option(record({ shuffle: count, cuts: list(count) })),
});
const plainLaunch = record({
  key,
  fragment: name,
  splits: list(record({ node: count, partition: count, split })),
  values: list(value),
  cached: list(record({ node: count, partition: count, worker: name })),
  shuffles: list(record({ shuffle: count, version: count })),
  locality: fc.constantFrom("PROCESS_LOCAL", "NODE_LOCAL", "NO_PREF", "ANY"),
});
const launch = fc
  .tuple(plainLaunch, fc.option(slice), fc.constantFrom({}, { generations: [{ node: 3, generation: 2 }] }))
  .map(([plain, part, more]) => ({ ...plain, ...more, ...(part === null ? {} : { slice: part }) }));
const markedLaunch = fc.tuple(launch, fc.boolean(), fc.boolean()).map(([one, alone, speculative]) => ({
  ...one,
  ...(alone ? { alone: true } : {}),
  ...(speculative ? { speculative: true } : {}),
}));
const metrics = record(Object.fromEntries(metricNames.map((name) => [name, size])) as Record<string, typeof size>);
const plainUpdate = record({ accumulator: count, value: bytes });
const update = fc.oneof(
  plainUpdate,
  fc
    .tuple(
      plainUpdate,
      name,
      fc.constantFrom("sum", "counter", "timer", "histogram"),
      fc.array(size, { minLength: 1, maxLength: 6 }),
    )
    .map(([plain, name, kind, numbers]) => ({ ...plain, name, kind, numbers })),
);
const result = fc.oneof(
  record({ kind: kind("inline"), bytes, records: size }),
  record({ kind: kind("block"), sizeBytes: size, records: size }),
  // Sizes as the wire can say them.
  record({
    kind: kind("mapOutput"),
    shuffle: count,
    output: fc
      .tuple(
        record({ sizes: bytes.map(decodeSizes), records: size, checksum: name }),
        bytes.map(decodeSizes),
        list(record({ key: text, partition: count, records: size })),
      )
      // Absent where there is nothing to say.
      .map(([output, weights, hotKeys]) => ({
        ...output,
        ...(weights.length === 0 ? {} : { weights }),
        ...(hotKeys.length === 0 ? {} : { hotKeys }),
      })),
  }),
  record({ kind: kind("file"), pending: name, final: name, sizeBytes: size, records: size }),
  record({
    kind: kind("file"),
    pending: name,
    final: name,
    sizeBytes: size,
    records: size,
    also: fc.array(record({ pending: name, final: name }), { minLength: 1, maxLength: 3 }),
  }),
);
const outcome = fc.oneof(
  record({
    kind: kind("succeeded"),
    result,
    accumulators: list(update),
    metrics,
    cached: list(
      fc
        .tuple(record({ node: count, partition: count, sizeBytes: size }), fc.integer({ min: 0, max: 5 }))
        .map(([plain, generation]) => ({ ...plain, ...(generation === 0 ? {} : { generation }) })),
    ),
  }),
  record({ kind: kind("failed"), error, metrics: fc.option(metrics) }),
  record({
    kind: kind("fetchFailed"),
    shuffle: count,
    map: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
    worker: name,
    error,
  }),
  record({ kind: kind("cancelled") }),
);
const status = fc.oneof(
  record({ kind: kind("running"), key, slot: count }),
  record({ kind: kind("ended"), key, outcome }),
);
const address = record({ worker: name, machine: text, blocks: text, directory: text });
const stream = fc.constantFrom("stdout", "stderr");

const adoptable = fc.oneof(
  record({
    kind: kind("mapOutput"),
    session: name,
    shuffle: count,
    map: count,
    stage: count,
    attempt: count,
    sizeBytes: size,
  }),
  record({ kind: kind("cached"), session: name, node: count, partition: count, generation: count, sizeBytes: size }),
);
const outputName = record({ session: name, shuffle: count, map: count, stage: count, attempt: count });

const workerToMaster = fc.oneof(
  record({
    kind: kind("register"),
    registration: record({
      worker: name,
      incarnation: size,
      version: name,
      role: fc.constantFrom("core", "task"),
      node: text,
      slots: count,
      memoryBytes: size,
      pid: count,
      address,
    }),
  }),
  record({ kind: kind("heartbeat"), rssBytes: size, cacheBytes: size, running: list(key), records: list(size) }),
  record({
    kind: kind("heartbeat"),
    rssBytes: size,
    cacheBytes: size,
    running: list(key),
    records: list(size),
    pressure: fc.constantFrom("warm", "high", "critical"),
    stored: fc.array(record({ session: name, node: count, memoryBytes: size, diskBytes: size }), { minLength: 1 }),
  }),
  record({ kind: kind("statuses"), statuses: list(status) }),
  record({ kind: kind("logs"), lines: list(record({ key, stream, text })) }),
  record({ kind: kind("uncached"), session: name, partitions: list(record({ node: count, partition: count })) }),
  record({ kind: kind("leaving"), reason: text }),
  record({ kind: kind("decommission"), reason: text, timeoutMs: size }),
  record({
    kind: kind("adopted"),
    from: name,
    outcomes: list(record({ block: adoptable, error: fc.option(plainError) })),
  }),
  record({ kind: kind("offer"), outputs: list(outputName) }),
);

const masterToWorker = fc.oneof(
  record({ kind: kind("registered"), heartbeatMs: size, timeoutMs: size, liveSessions: list(name) }),
  record({ kind: kind("heartbeat") }),
  record({ kind: kind("refused"), error }),
  record({
    kind: kind("mapOutputs"),
    locations: record({
      session: name,
      shuffle: count,
      version: count,
      outputs: list(record({ worker: name, stage: count, attempt: count })),
      workers: list(address),
    }),
  }),
  record({ kind: kind("launch"), launches: list(markedLaunch) }),
  record({ kind: kind("cancel"), keys: list(key), reason: text }),
  record({ kind: kind("cancel"), keys: list(key), reason: text, onlyWaiting: fc.constant(true) }),
  record({ kind: kind("releaseResults"), keys: list(key) }),
  record({ kind: kind("releaseShuffle"), session: name, shuffle: count }),
  record({
    kind: kind("discard"),
    session: name,
    shuffle: count,
    outputs: list(record({ map: count, stage: count, attempt: count })),
  }),
  record({ kind: kind("uncache"), session: name, node: count }),
  record({ kind: kind("releaseSession"), session: name }),
  record({ kind: kind("releaseBlobs"), hashes: list(name) }),
  record({ kind: kind("workerLost"), worker: name, blocks: text, reason: text }),
  record({ kind: kind("decommission"), reason: text, timeoutMs: size }),
  record({ kind: kind("adopt"), from: address, blocks: list(adoptable) }),
  record({ kind: kind("decommissioned"), reason: text }),
);

const callSite = record({ file: text, line: count, column: count, method: text });
const nodes = list(
  record({
    id: count,
    callSite,
    kind: kind("source"),
    source: record({
      kind: kind("collection"),
      slices: list(bytes),
      classes: list(record({ hash: name, bytes, async: fc.boolean(), name: text })),
    }),
  }),
);
const driverToMaster = fc.oneof(
  record({
    kind: kind("open"),
    settings: record({
      appName: text,
      options: fc.constant({ a: 1, b: "two", c: true }),
      workingDirectory: text,
      version: text,
    }),
  }),
  record({ kind: kind("blob"), hash: name, bytes, last: fc.boolean() }),
  fc
    .tuple(
      record({
        kind: kind("submit"),
        job: count,
        nodes,
        root: count,
        action: record({ kind: kind("collect"), limit: fc.option(count) }),
        callSite,
        accumulators: list(count),
      }),
      fc.option(record({ pool: name, group: name, description: text, tags: list(name) })),
    )
    .map(([submit, traits]) => (traits === null ? submit : { ...submit, traits })),
  record({
    kind: kind("pools"),
    pools: fc.constantFrom({}, { fast: { mode: "FAIR", weight: 2, minShare: 1 }, slow: {} }),
  }),
  record({ kind: kind("countPartitions"), request: count, nodes, node: count }),
  record({ kind: kind("cancel"), job: count, reason: text }),
  record({ kind: kind("acknowledge"), job: count, bytes: size }),
  record({ kind: kind("acknowledge"), job: count, bytes: size, round: fc.integer({ min: 1, max: 9 }) }),
  record({
    kind: kind("persist"),
    node: count,
    level: fc.constantFrom("NONE", "MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"),
  }),
  record({ kind: kind("persist"), node: count, level: kind("DISK_ONLY"), name: text }),
  record({ kind: kind("cutLineage"), request: count, node: count, url: fc.option(name) }),
  record({ kind: kind("releaseNodes"), nodes: list(count) }),
  record({ kind: kind("releaseBlob"), hash: name, scope: fc.constantFrom("workers", "everywhere") }),
  record({ kind: kind("heartbeat") }),
  record({ kind: kind("close") }),
);

const summary = record({
  stages: count,
  tasks: count,
  failedAttempts: count,
  elapsedMs: count,
  shuffleBytes: count,
  spillBytes: count,
  workers: list(record({ worker: text, role: text, tasks: count, runMs: count })),
});
const masterToDriver = fc.oneof(
  record({ kind: kind("opened"), session: name, slots: count, heartbeatMs: size }),
  record({ kind: kind("heartbeat") }),
  record({ kind: kind("refused"), error }),
  record({ kind: kind("partitions"), request: count, count: fc.option(count), error: fc.option(error) }),
  record({ kind: kind("result"), job: count, partition: count, bytes, last: fc.boolean(), records: size }),
  record({ kind: kind("accumulators"), job: count, updates: list(update) }),
  record({ kind: kind("jobEnded"), job: count, error: fc.option(error), summary }),
  record({ kind: kind("log"), stage: count, partition: count, stream, text }),
  record({ kind: kind("progress"), stages: list(record({ job: count, stage: count, name: text, tasks: count })) }),
  record({ kind: kind("resultsRestarted"), job: count, round: count }),
  record({ kind: kind("closed"), error: fc.option(error) }),
);

describe("a round trip through bytes gives back an equal message", () => {
  const check = (
    messages: fc.Arbitrary<unknown>,
    encode: (m: never) => Uint8Array,
    decode: (b: Uint8Array) => unknown,
  ) =>
    fc.assert(
      fc.property(messages, (message) => {
        expect(decode(encode(message as never))).toStrictEqual(message);
      }),
      { numRuns: 300 },
    );

  test("worker to master", () => check(workerToMaster, encodeWorkerMessage, decodeWorkerMessage));
  test("master to worker", () => check(masterToWorker, encodeMasterToWorker, decodeMasterToWorker));
  test("driver to master", () => check(driverToMaster, encodeDriverMessage, decodeDriverMessage));
  test("master to driver", () => check(masterToDriver, encodeMasterToDriver, decodeMasterToDriver));
});

test("a missing field is named", () => {
  const noKey = pb.WorkerToMaster.encode({ statuses: { statuses: [{ running: { slot: 1 } }] } }).finish();
  expect(() => decodeWorkerMessage(noKey)).toThrow(/TaskStatus\.key is missing/);
  const noKind = pb.WorkerToMaster.encode({ statuses: { statuses: [{ key: { session: "s" } }] } }).finish();
  expect(() => decodeWorkerMessage(noKind)).toThrow(/TaskStatus\.kind is missing/);
  expect(() => decodeMasterToWorker(new Uint8Array())).toThrow(/MasterToWorker\.kind is missing/);
});

test("random bytes give PROTOCOL_ERROR or a message, never another error", () => {
  const decoders = [decodeWorkerMessage, decodeMasterToWorker, decodeDriverMessage, decodeMasterToDriver];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...decoders), (random, decode) => {
      try {
        decode(random);
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "PROTOCOL_ERROR" });
      }
    }),
    { numRuns: 2000 },
  );
});

test("an error's chain longer than 32 is cut, not refused", () => {
  let chain: WireError = { code: "TASK_FAILED", message: "the first", fields: {} };
  for (let i = 0; i < 500; i++) chain = { code: "TASK_FAILED", message: `wrap ${i}`, fields: {}, cause: chain };
  const back = decodeMasterToDriver(encodeMasterToDriver({ kind: "closed", error: chain }));
  expect(back).toMatchObject({ kind: "closed", error: { message: "wrap 499", cause: { message: "wrap 498" } } });
});

test("sizes are never understated, at most a tenth above, and stable", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 80_000_000_000 })), (sizes) => {
      const once = decodeSizes(encodeSizes(sizes));
      for (const [i, sizeBytes] of sizes.entries()) {
        expect(once[i]).toBeGreaterThanOrEqual(sizeBytes);
        expect(once[i]).toBeLessThanOrEqual(sizeBytes * 1.1 + 1);
      }
      expect(decodeSizes(encodeSizes(once))).toEqual(once);
    }),
  );
});
