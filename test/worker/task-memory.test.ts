// Who holds what of a task's memory: read by the main thread from the slot's row, also after the slot has died.

import { expect, test } from "vitest";
import { CountingBudget } from "../../src/core/memory.js";
import { ControlRow } from "../../src/worker/slot/control-row.js";
import { TaskMemory } from "../../src/worker/slot/task-memory.js";

test("each holder's bytes stand in the row by its name, most first, and the sum beside them", () => {
  const row = new ControlRow();
  const memory = new TaskMemory(1000, row);
  const groups = memory.named("groupByKey at x.ts:9:4: values by key");
  const output = memory.named("map output");
  expect(groups.tryReserve(300)).toBe(true);
  expect(output.tryReserve(500)).toBe(true);
  expect(groups.tryReserve(300)).toBe(false);
  const seenElsewhere = new ControlRow(row.memory);
  expect(seenElsewhere.reservedBytes).toBe(800);
  expect(seenElsewhere.holders).toEqual([
    { name: "map output", bytes: 500 },
    { name: "groupByKey at x.ts:9:4: values by key", bytes: 300 },
  ]);
  output.release(500);
  groups.release(300);
  expect(seenElsewhere.holders).toEqual([]);
  expect(seenElsewhere.reservedBytes).toBe(0);
});

test("a next run begins with an empty row; holders beyond the row's places count with the last", () => {
  const row = new ControlRow();
  const memory = new TaskMemory(1e6, row);
  for (let i = 0; i < 20; i++) expect(memory.named(`holder ${i}`).tryReserve(i + 1)).toBe(true);
  expect(row.holders[0]).toMatchObject({ name: "others" });
  expect(row.holders).toHaveLength(12);
  row.setRunning(2);
  expect(row.holders).toEqual([]);
});

test("a collection is asked for, done once and told", () => {
  const row = new ControlRow();
  expect(row.collectAsked).toBe(false);
  row.askToCollect();
  expect(row.collectAsked).toBe(true);
  row.collected(12, 3456);
  expect([row.collectAsked, row.collectMs, row.collectedAtMs]).toEqual([false, 12, 3456]);
});

test("a counting budget names its holders too", () => {
  const budget = new CountingBudget(100);
  const sort = budget.named("sort");
  expect(sort.tryReserve(60)).toBe(true);
  expect(budget.named("combine").tryReserve(60)).toBe(false);
  expect(budget.holders).toEqual([{ name: "sort", bytes: 60 }]);
  sort.release(60);
  expect(budget.holders).toEqual([]);
  expect(budget.reservedBytes).toBe(0);
});
