import { describe, expect, it } from "vitest";
import { jobId } from "../../src/core/ids.js";
import { RESULT_PIECE_BYTES, RESULT_WINDOW_BYTES, ResultRelay } from "../../src/master/results/result-relay.js";
import type { MasterToDriver } from "../../src/protocol/driver.js";

type ResultMessage = MasterToDriver & { kind: "result" };

function makeRelay() {
  const sent: ResultMessage[] = [];
  const delivered: number[] = [];
  const lost: number[] = [];
  const relay = new ResultRelay(jobId(1), {
    send: (message) => sent.push(message as ResultMessage),
    onDelivered: (partition) => delivered.push(partition),
    onLost: (partition) => lost.push(partition),
  });
  return { relay, sent, delivered, lost };
}

async function* pieces(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield new Uint8Array(size);
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
});
