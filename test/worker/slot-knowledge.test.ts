// What each run brings to a slot's thread, and what the thread is told to forget.

import { expect, test } from "vitest";
import { sessionId, shuffleId } from "../../src/core/ids.js";
import type { MapOutputLocations } from "../../src/protocol/tasks.js";
import { SlotKnowledge } from "../../src/worker/slots/slot-knowledge.js";

const s1 = sessionId("s1");
const bytes = new Uint8Array(100);
const at = (shuffle: number, version = 1): MapOutputLocations => ({
  session: s1,
  shuffle: shuffleId(shuffle),
  version,
  outputs: [],
  workers: [],
});

test("a fragment and the locations of a version are given once, and again to a new thread or another session", () => {
  const slot = new SlotKnowledge();
  expect(slot.tell(s1, "f", bytes, [at(1)])).toEqual({ fragment: bytes, locations: [at(1)], forget: null });
  expect(slot.tell(s1, "f", bytes, [at(1)])).toEqual({ fragment: null, locations: [], forget: null });
  expect(slot.tell(s1, "f", bytes, [at(1, 2)]).locations).toEqual([at(1, 2)]);
  expect(slot.tell(sessionId("s2"), "f", bytes, []).fragment).toBe(bytes);
  expect(slot.tell(s1, "f", bytes, [at(1, 2)])).toMatchObject({ fragment: bytes, locations: [at(1, 2)] });
  slot.clear();
  expect(slot.tell(s1, "f", bytes, []).fragment).toBe(bytes);
});

test("what the thread forgets is given again", () => {
  const slot = new SlotKnowledge();
  const held = { fragments: new Set<string>(), shuffles: new Set<number>() };
  const run = (n: number) => {
    const { fragment, locations, forget } = slot.tell(s1, `f${n}`, bytes, [at(n)]);
    for (const name of forget?.fragments ?? []) held.fragments.delete(name);
    for (const shuffle of forget?.shuffles ?? []) held.shuffles.delete(shuffle);
    if (fragment !== null) held.fragments.add(`f${n}`);
    for (const { shuffle } of locations) held.shuffles.add(shuffle);
    expect(held.fragments.has(`f${n}`) && held.shuffles.has(n)).toBe(true);
  };
  for (let n = 0; n < 1000; n++) run(n);
  for (const n of [0, 999, 500, 0, 744, 743]) run(n);
  expect(held.fragments.size).toBe(256);
  expect(held.shuffles.size).toBe(256);
});

test("a run's own shuffles stay, however many they are; so does a fragment that is too large", () => {
  const slot = new SlotKnowledge();
  const many = Array.from({ length: 300 }, (_, n) => at(n));
  expect(slot.tell(s1, "f", bytes, many)).toMatchObject({ forget: null });
  expect(slot.tell(s1, "f", bytes, many).locations).toEqual([]);
  const large = new Uint8Array(40 * 1024 * 1024);
  const { fragment, forget } = slot.tell(s1, "large", large, []);
  expect(fragment === large).toBe(true);
  expect(forget?.fragments).toEqual(["f"]);
  expect(slot.tell(s1, "large", large, []).fragment).toBe(null);
});
