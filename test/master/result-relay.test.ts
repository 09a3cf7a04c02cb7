import { describe, expect, it, vi } from "vitest";
import { jobId } from "../../src/core/ids.js";
import { RESULT_PIECE_BYTES, RESULT_WINDOW_BYTES, ResultRelay } from "../../src/master/results/result-relay.js";
import type { MasterToDriver } from "../../src/protocol/driver.js";

type ResultMessage = MasterToDriver & { kind: "result" };

function makeRelay() {
  const sent: ResultMessage[] = [];
  const delivered: number[] = [];
  const lost: number[] = [];
  const changed: number[] = [];
  const relay = new ResultRelay(jobId(1), {
    send: (message) => sent.push(message as ResultMessage),
    onDelivered: (partition) => delivered.push(partition),
    onLost: (partition) => lost.push(partition),
    onChanged: (partition) => changed.push(partition),
  });
  return { relay, sent, delivered, lost, changed };
}

async function* pieces(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield new Uint8Array(size);
}

/** `size` bytes that count up; the stream breaks before byte `breaksAt`. */
async function* counting(size: number, breaksAt = size, step = RESULT_PIECE_BYTES): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < breaksAt; at += step) {
    yield Uint8Array.from({ length: Math.min(step, breaksAt - at) }, (_, i) => (at + i) % 251);
  }
  if (breaksAt < size) throw new Error("gone");
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("result relay", () => {
  it("cuts partitions into pieces and marks the last", async () => {
    const { relay, sent } = makeRelay();
    relay.push({ partition: 0, records: 3, open: () => pieces(RESULT_PIECE_BYTES + 5) });
    relay.push({ partition: 1, records: 0, open: () => pieces() });
    await settle();
    expect(sent.map((m) => [m.partition, m.bytes.byteLength, m.last])).toEqual([
      [0, RESULT_PIECE_BYTES, false],
      [0, 5, true],
      [1, 0, true],
    ]);
  });

  it("stops at the window until the driver acknowledges, and reports a partition delivered only then", async () => {
    const { relay, sent, delivered } = makeRelay();
    relay.push({ partition: 0, records: 1, open: () => pieces(RESULT_WINDOW_BYTES) });
    relay.push({ partition: 1, records: 1, open: () => pieces(10) });
    await settle();
    expect(sent.some((m) => m.partition === 1)).toBe(false);
    expect(delivered).toEqual([]);
    relay.acknowledge(RESULT_WINDOW_BYTES);
    await settle();
    expect(delivered).toEqual([0]);
    expect(sent.at(-1)).toMatchObject({ partition: 1, last: true });
    relay.acknowledge(10);
    expect(delivered).toEqual([0, 1]);
  });

  it("reports a partition whose block cannot be read", async () => {
    const { relay, lost } = makeRelay();
    relay.push({
      partition: 4,
      records: 1,
      // biome-ignore lint/correctness/useYield: it fails before it yields
      open: async function* () {
        throw new Error("gone");
      },
    });
    await settle();
    expect(lost).toEqual([4]);
  });

  it("holds later partitions back until a lost one comes again, and sends only what was missing of it", async () => {
    const size = 3 * RESULT_PIECE_BYTES + 7;
    const { relay, sent, lost, changed, delivered } = makeRelay();
    relay.push({ partition: 0, records: 1, open: () => counting(size, 2 * RESULT_PIECE_BYTES) });
    relay.push({ partition: 1, records: 1, inline: Uint8Array.of(9), open: () => pieces() });
    await settle();
    expect(lost).toEqual([0]);
    relay.push({ partition: 2, records: 1, inline: Uint8Array.of(8), open: () => pieces() });
    let drained = false;
    relay.whenDrained(() => {
      drained = true;
    });
    await settle();
    expect(sent.map((m) => m.partition)).toEqual([0]);
    // It comes in other pieces than the first time.
    relay.push({ partition: 0, records: 1, open: () => counting(size, size, 1000) });
    await vi.waitFor(() => expect(drained).toBe(true));
    expect(changed).toEqual([]);
    expect(sent.filter((m) => m.partition === 0 && m.last)).toHaveLength(1);
    const bytes = Buffer.concat(sent.filter((m) => m.partition === 0).map((m) => m.bytes));
    expect(bytes.byteLength).toBe(size);
    expect(bytes.every((byte, i) => byte === i % 251)).toBe(true);
    expect(sent.slice(-2).map((m) => m.partition)).toEqual([1, 2]);
    relay.acknowledge(size + 2);
    expect(delivered).toEqual([0, 1, 2]);
  });

  it("says so when the recomputed partition is another, and sends nothing more", async () => {
    const { relay, sent, changed } = makeRelay();
    relay.push({ partition: 0, records: 1, open: () => counting(10 * RESULT_PIECE_BYTES, 2 * RESULT_PIECE_BYTES) });
    await settle();
    const before = sent.length;
    relay.push({ partition: 0, records: 1, open: () => pieces(10 * RESULT_PIECE_BYTES) });
    await settle();
    expect(changed).toEqual([0]);
    expect(sent.length).toBe(before);
  });

  it("says so when the recomputed partition is shorter than what was sent", async () => {
    const { relay, changed } = makeRelay();
    relay.push({ partition: 0, records: 1, open: () => counting(10 * RESULT_PIECE_BYTES, 4 * RESULT_PIECE_BYTES) });
    await settle();
    relay.push({ partition: 0, records: 1, inline: Uint8Array.of(0, 1), open: () => pieces() });
    await settle();
    expect(changed).toEqual([0]);
  });

  it("a partition may be lost twice", async () => {
    const { relay, sent, lost } = makeRelay();
    const size = 5 * RESULT_PIECE_BYTES;
    relay.push({ partition: 0, records: 1, open: () => counting(size, 2 * RESULT_PIECE_BYTES) });
    await settle();
    relay.push({ partition: 0, records: 1, open: () => counting(size, RESULT_PIECE_BYTES) });
    await settle();
    relay.push({ partition: 0, records: 1, open: () => counting(size) });
    await settle();
    expect(lost).toEqual([0, 0]);
    const bytes = Buffer.concat(sent.map((m) => m.bytes));
    expect(bytes.byteLength).toBe(size);
    expect(bytes.every((byte, i) => byte === i % 251)).toBe(true);
  });
});
