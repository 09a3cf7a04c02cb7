import { expect, test } from "vitest";
import { blobHash, jobId, type NodeId, nodeId } from "../../src/core/ids.js";
import { unpack } from "../../src/core/packed.js";
import type { LineageNode, Operator, PartitionerSpec } from "../../src/plan/lineage.js";
import { lowerJob, SAMPLE_SPLIT_BYTES } from "../../src/plan/lower.js";
import { resolveLineage, sourcesOf } from "../../src/plan/resolve.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import type { Fragment, Split, StageGraph } from "../../src/plan/stages.js";
import { lower, rangeSource, site, splitsOf } from "../master/support.js";

const fn = { hash: blobHash("f"), bytes: new Uint8Array(0), async: false, name: "f" };
const mapOp: Operator = { op: "map", fn };
const base = (id: number) => ({ id: nodeId(id), callSite: site });
const narrow = (id: number, parent: number, preservesPartitioning = false): LineageNode => ({
  ...base(id),
  kind: "narrow",
  parent: nodeId(parent),
  operator: mapOp,
  preservesPartitioning,
});
const combine = (id: number, parent: number, partitions: number | null): LineageNode => ({
  ...base(id),
  kind: "combine",
  parent: nodeId(parent),
  partitioner: { kind: "hash", partitions },
  aggregator: { kind: "first" },
  mapSideCombine: true,
});
const exchange = (id: number, parent: number, partitioner: PartitionerSpec): LineageNode => ({
  ...base(id),
  kind: "exchange",
  parent: nodeId(parent),
  partitioner,
  sort: null,
  pairs: true,
});
const plan = (nodes: readonly LineageNode[], root: number, sources: Record<number, number>, table?: ShuffleTable) =>
  lower({ job: jobId(1), nodes, root, sources, ...(table === undefined ? {} : { table }) });
const shape = (graph: StageGraph) =>
  graph.stages.map((stage) => `${stage.kind} ${stage.tasks.length} <- ${stage.parents.join(",")}`);
const fragment = (graph: StageGraph, stage: number) => unpack<Fragment>(graph.stages[stage]?.fragment as Uint8Array);

test("counts and partitioners are resolved; a preserving step keeps the partitioner", () => {
  const nodes: LineageNode[] = [rangeSource(1), combine(2, 1, null), narrow(3, 2, true), narrow(4, 3)];
  const known = new Map(nodes.map((node) => [node.id, node]));
  const resolved = resolveLineage(known, nodeId(4), new Map([[nodeId(1), splitsOf(3)]]));
  expect([...resolved.values()].map((node) => [node.partitions, node.partitioner?.kind ?? null])).toEqual([
    [3, null],
    [3, "hash"],
    [3, "hash"],
    [3, null],
  ]);
  expect(sourcesOf(known, nodeId(4)).map((node) => node.id)).toEqual([1]);
});

test("an equal known partitioner needs no exchange", () => {
  const nodes = [rangeSource(1), combine(2, 1, 4), narrow(3, 2, true), combine(4, 3, 4)];
  expect(shape(plan(nodes, 4, { 1: 2 }))).toEqual(["shuffleMap 2 <- ", "result 4 <- 1"]);
  const other = [rangeSource(1), combine(2, 1, 4), narrow(3, 2, false), combine(4, 3, 4)];
  expect(shape(plan(other, 4, { 1: 2 }))).toEqual(["shuffleMap 2 <- ", "shuffleMap 4 <- 1", "result 4 <- 2"]);
});

test("a cogroup reads one parent narrow and the other through a shuffle", () => {
  const cogroup: LineageNode = {
    ...base(4),
    kind: "cogroup",
    parents: [nodeId(2), nodeId(3)],
    partitioner: { kind: "hash", partitions: 4 },
  };
  const graph = plan([rangeSource(1), combine(2, 1, 4), rangeSource(3), cogroup], 4, { 1: 2, 3: 3 });
  expect(shape(graph)).toEqual(["shuffleMap 2 <- ", "shuffleMap 3 <- ", "result 4 <- 1,2"]);
  expect(
    fragment(graph, 2)
      .nodes.at(-1)
      ?.inputs.map((input) => input.kind),
  ).toEqual(["narrow", "shuffle"]);
});

test("a union of shuffled and narrow parents, coalesced: each task gets the splits that it reads", () => {
  const union: LineageNode = { ...base(4), kind: "union", parents: [nodeId(2), nodeId(3)] };
  const coalesce: LineageNode = { ...base(5), kind: "coalesce", parent: nodeId(4), partitions: 2 };
  const graph = plan([rangeSource(1), combine(2, 1, 2), rangeSource(3), union, coalesce, narrow(6, 5)], 6, {
    1: 2,
    3: 3,
  });
  expect(graph.stages.at(-1)?.tasks.map((task) => task.splits.map((split) => [split.node, split.partition]))).toEqual([
    [],
    [
      [3, 0],
      [3, 1],
      [3, 2],
    ],
  ]);
});

test("a range exchange samples, folds bounds and gives them to its map stage; one partition needs neither", () => {
  const graph = plan([rangeSource(1), exchange(2, 1, { kind: "range", partitions: 3, ascending: true })], 2, { 1: 2 });
  expect(shape(graph)).toEqual(["value 2 <- ", "value 1 <- 1", "shuffleMap 2 <- 2", "result 3 <- 3"]);
  expect(graph.stages[2]?.valueInputs).toEqual([2]);
  const single = plan([rangeSource(1), exchange(2, 1, { kind: "range", partitions: 1, ascending: true })], 2, { 1: 2 });
  expect(shape(single)).toEqual(["shuffleMap 2 <- ", "result 1 <- 1"]);
});

test("a sample reads at most 1 MiB of each split, unless a persisted node would keep only that", () => {
  const source: LineageNode = {
    ...base(1),
    kind: "source",
    source: { kind: "text", paths: ["file:///a"], minPartitions: null },
  };
  const nodes = [source, narrow(2, 1), exchange(3, 2, { kind: "range", partitions: 2, ascending: true })];
  const split: Split = {
    kind: "file",
    url: "file:///a",
    start: 0,
    length: 5e6,
    fileSize: 5e6,
    modifiedMs: 0,
    compression: "none",
  };
  for (const [level, wanted] of [
    ["NONE", SAMPLE_SPLIT_BYTES],
    ["MEMORY_ONLY", 5e6],
  ] as const) {
    const graph = lowerJob({
      job: jobId(1),
      nodes: new Map(nodes.map((node) => [node.id, node])),
      root: nodeId(3),
      action: { kind: "count" },
      callSite: site,
      resolvedSources: new Map([[nodeId(1), [split]]]),
      storage: new Map([[nodeId(2), level]]),
      accumulators: [],
      table: new ShuffleTable(),
    });
    const lengths = [graph.stages[0], graph.stages[2]].map(
      (stage) => (stage?.tasks[0]?.splits[0]?.split as (Split & { kind: "file" }) | undefined)?.length,
    );
    expect(lengths).toEqual([wanted, 5e6]);
  }
});

test("a second job names the same shuffle; it is released with the last node that reads it", () => {
  const table = new ShuffleTable();
  const nodes = [rangeSource(1), combine(2, 1, 4), combine(3, 1, 4)];
  const first = plan(nodes, 2, { 1: 2 }, table).stages[0]?.shuffleOutput;
  expect(plan(nodes, 3, { 1: 2 }, table).stages[0]?.shuffleOutput).toBe(first);
  expect(table.release([nodeId(2)])).toEqual([]);
  expect(table.release([nodeId(3)])).toEqual([first]);
});

test("what is reached behind a persisted node stands apart", () => {
  const nodes = [rangeSource(1), combine(2, 1, 4), narrow(3, 2)];
  const graph = lower({ job: jobId(1), nodes, root: 3, sources: { 1: 2 }, storage: { 2: "MEMORY_ONLY" } });
  expect(graph.stages.at(-1)?.reach).toEqual([
    { node: null, partitions: 4, parents: [], next: [1] },
    { node: 2, partitions: 4, parents: [1], next: [] },
  ]);
  expect(graph.stages.at(-1)?.tasks[1]?.cached).toEqual([[2, 1]]);
});

test("10,000 steps and 2,000 shuffles deep", () => {
  const nodes: LineageNode[] = [rangeSource(1)];
  for (let id = 2; id <= 10_000; id++) nodes.push(id % 5 === 0 ? combine(id, id - 1, 2) : narrow(id, id - 1));
  const graph = plan(nodes, 10_000, { 1: 2 });
  expect(graph.stages.length).toBe(2_001);
  expect(
    plan(nodes.slice(0, 1).concat(Array.from({ length: 9_999 }, (_, i) => narrow(i + 2, i + 1))), 10_000, { 1: 2 })
      .stages.length,
  ).toBe(1);
  const ids: NodeId[] = graph.stages.map((stage) => nodeId(stage.id));
  expect(ids).toEqual([...ids].sort((a, b) => a - b));
});

test("a stage carries functions of the lineage before it whose classes its own functions do not have, the smallest of each", () => {
  const maker = (hash: string, bytes: number, ...classes: string[]) => ({
    ...fn,
    hash: blobHash(hash),
    bytes: new Uint8Array(bytes),
    classes,
  });
  const using = (id: number, parent: number, one: typeof fn): LineageNode => ({
    ...base(id),
    kind: "narrow",
    parent: nodeId(parent),
    operator: { op: "map", fn: one },
    preservesPartitioning: false,
  });
  const nodes = [
    rangeSource(1),
    using(2, 1, maker("large", 9, "P")),
    using(3, 2, maker("small", 4, "P", "Q")),
    exchange(4, 3, { kind: "roundRobin", partitions: 2 }),
    using(5, 4, maker("other", 5, "Q")),
    exchange(6, 5, { kind: "roundRobin", partitions: 2 }),
    narrow(7, 6),
  ];
  const graph = plan(nodes, 7, { 1: 2 });
  const carried = [0, 1, 2].map((stage) => fragment(graph, stage).carriers?.map(({ hash }) => hash));
  expect(carried).toEqual([undefined, ["small"], ["small"]]);
});
