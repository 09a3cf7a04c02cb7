// What a worker holds of other workers' blocks for its slots: bounded by bytes over all streams, and never so that the stream
// which a reducer waits for stands behind those that it does not read yet.

import { expect, test } from "vitest";
import { ControlRow } from "../../src/worker/slot/control-row.js";
import type { SlotMessage, SlotReply } from "../../src/worker/slot/messages.js";
import { FetchWindow } from "../../src/worker/slots/fetch-window.js";
import type { SlotThread } from "../../src/worker/slots/slot.js";
import { SlotRequests } from "../../src/worker/slots/slot-requests.js";

const PIECE = 1_000;
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A slot that takes nothing by itself, asking servers that have `pieces` pieces each. */
function slotAsking(limitBytes: number, pieces: number) {
  const window = new FetchWindow(limitBytes, 1);
  const replies: SlotReply[] = [];
  let produced = 0;
  let closed = 0;
  async function* blocks() {
    try {
      for (let at = 0; at < pieces; at++) {
        produced++;
        yield new Uint8Array(PIECE);
      }
    } finally {
      closed++;
    }
  }
  const requests = new SlotRequests(
    { blob: () => Promise.reject(new Error("no blobs here")), blocks, cached: blocks },
    window,
  );
  const slot = {
    index: 0,
    control: new ControlRow(),
    reply: (reply: SlotReply) => replies.push(reply),
  } as unknown as SlotThread;
  const say = (message: Extract<SlotMessage, { kind: "request" | "more" | "end" }>) => requests.handle(slot, message);
  const open = (id: number) =>
    say({
      kind: "request",
      id,
      request: { kind: "cached", session: "s" as never, node: 1 as never, partition: id, worker: "w" },
    });
  const of = (id: number) => replies.filter((reply) => reply.id === id && reply.bytes !== null).length;
  return { window, requests, slot, say, open, of, replies, produced: () => produced, closed: () => closed };
}

test("twenty streams together hold the limit and one piece each, and produce no more", async () => {
  const limit = 5 * PIECE;
  const { window, open, replies, produced } = slotAsking(limit, 100);
  for (let id = 1; id <= 20; id++) open(id);
  await settled();
  expect(window.gauge().heldBytes).toBeLessThanOrEqual(limit + 20 * PIECE);
  expect(replies.length).toBeLessThanOrEqual(5 + 20);
  // One more of each is in the hands of whoever waits for room.
  expect(produced()).toBeLessThanOrEqual(replies.length + 20);
  expect(window.gauge()).toMatchObject({ name: "fetch", limitBytes: limit });
});

test("a stream of which the slot holds nothing gets its next piece though others fill the limit", async () => {
  const { say, open, of, replies } = slotAsking(4 * PIECE, 30);
  open(1);
  open(2);
  await settled();
  expect(of(2)).toBeGreaterThan(0);
  // The slot reads the second stream to its end and never takes a piece of the first.
  for (let taken = 0; taken < 30; taken++) {
    expect(of(2)).toBeGreaterThan(taken);
    say({ kind: "more", id: 2 });
    await settled();
  }
  expect(replies.some((reply) => reply.id === 2 && reply.last)).toBe(true);
  expect(of(1)).toBeLessThan(30);
});

test("what a slot took, closed or left behind by dying is free again", async () => {
  const { window, requests, slot, say, open, of, closed } = slotAsking(100 * PIECE, 3);
  open(1);
  open(2);
  open(3);
  await settled();
  expect(window.gauge().heldBytes).toBe(9 * PIECE);
  for (let taken = 0; taken < of(1); taken++) say({ kind: "more", id: 1 });
  expect(window.gauge().heldBytes).toBe(6 * PIECE);
  say({ kind: "end", id: 2 });
  expect(window.gauge().heldBytes).toBe(3 * PIECE);
  requests.drop(slot);
  expect(window.gauge().heldBytes).toBe(0);
  await settled();
  expect(closed()).toBe(3);
});

test("a dead slot's streams stop also while they wait for room", async () => {
  const { window, requests, slot, open, produced } = slotAsking(PIECE, 100);
  open(1);
  await settled();
  const before = produced();
  requests.drop(slot);
  await settled();
  expect(produced()).toBe(before);
  expect(window.gauge()).toMatchObject({ heldBytes: 0, waiting: 0 });
});

test("pieces become smaller the more streams share the limit", () => {
  const window = new FetchWindow(48 * 2 ** 20, 4);
  expect(window.pieceBytes(1)).toBe(256 * 1024);
  expect(window.pieceBytes(100)).toBeLessThan(64 * 1024);
  expect(window.pieceBytes(100) * 3 * 4 * 100).toBeLessThanOrEqual(48 * 2 ** 20);
  expect(window.pieceBytes(100_000)).toBe(16 * 1024);
});
