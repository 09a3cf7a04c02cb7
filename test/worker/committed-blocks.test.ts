// What a killed worker process leaves behind: whole committed outputs are offered, scratch and damaged files go.

import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SchemaTable } from "../../src/codec/schema.js";
import { sessionId, shuffleId, stageId } from "../../src/core/ids.js";
import { CountingBudget } from "../../src/core/memory.js";
import { MapOutputWriter } from "../../src/shuffle/map-output-writer.js";
import { mapOutputPath } from "../../src/shuffle/paths.js";
import { FileSpillStore } from "../../src/shuffle/spill-store.js";
import { findCommitted, keepLive } from "../../src/worker/committed-blocks.js";

const root = mkdtempSync(join(tmpdir(), "millrace-committed-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const name = (session: string, map: number) => ({
  session: sessionId(session),
  shuffle: shuffleId(3),
  map,
  stage: stageId(5),
  attempt: 1,
});

function commit(session: string, map: number): string {
  const path = mapOutputPath(root, name(session, map));
  const memory = new CountingBudget(1e9);
  const writer = new MapOutputWriter({
    path,
    partitions: 2,
    memory,
    spill: new FileSpillStore(join(root, "attempts")),
  });
  writer.commit(new SchemaTable());
  return path;
}

test("offers what is whole and of a live session, and removes everything else", () => {
  const whole = commit("live", 0);
  const cut = commit("live", 1);
  truncateSync(cut, 10);
  const ended = commit("ended", 0);
  const strays = [
    `${whole}.pending`,
    join(root, "attempts/live/x"),
    join(root, "results/live/y"),
    join(root, "cache/z"),
  ];
  for (const path of strays) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "scratch");
  }
  const found = findCommitted(root);
  expect(found).toHaveLength(2);
  expect([cut, ...strays].filter((path) => existsSync(path))).toEqual([]);
  expect(keepLive(root, found, [sessionId("live")])).toEqual([name("live", 0)]);
  expect([existsSync(whole), existsSync(ended)]).toEqual([true, false]);
  expect(findCommitted(join(root, "nowhere"))).toEqual([]);
});
