// Builders for tests of the master's machine: workers, statuses, lineages and jobs lowered by the real planner.

import { type JobId, type NodeId, nodeId, shuffleId, type TaskKey, workerId } from "../../src/core/ids.js";
import type { MasterCommand } from "../../src/master/events.js";
import type { CallSite } from "../../src/plan/function.js";
import type { ActionSpec, LineageNode, StorageLevel } from "../../src/plan/lineage.js";
import { lowerJob } from "../../src/plan/lower.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import type { Split, StageGraph } from "../../src/plan/stages.js";
import { noMetrics, type TaskResult, type TaskStatus } from "../../src/protocol/tasks.js";
import type { WorkerRegistration } from "../../src/protocol/worker.js";

export type JobCommandOf<K extends MasterCommand["kind"]> = MasterCommand & { readonly kind: K };

export const site: CallSite = { file: "/app/test.ts", line: 1, column: 1, method: "collect" };

export function registration(name: string, incarnation = 1, slots = 1, node = name): WorkerRegistration {
  const worker = workerId(name);
  const address = { worker, machine: node, blocks: `${name}:1`, directory: `/tmp/${name}` };
  return { worker, incarnation, version: "0", role: "core", node, slots, memoryBytes: 1, pid: 1, address };
}

export const inline = (records = 0): TaskResult => ({ kind: "inline", bytes: new Uint8Array(0), records });
export const mapOutput: TaskResult = {
  kind: "mapOutput",
  shuffle: shuffleId(0),
  output: { sizes: [1], records: 1, checksum: "0" },
};

export function succeeded(key: TaskKey, result: TaskResult = inline()): TaskStatus {
  return {
    kind: "ended",
    key,
    outcome: { kind: "succeeded", result, accumulators: [], metrics: noMetrics, cached: [] },
  };
}

export function rangeSource(id: number): LineageNode {
  return {
    id: nodeId(id),
    callSite: site,
    kind: "source",
    source: { kind: "range", start: 0, end: 1, step: 1, slices: 1 },
  };
}

/** What `rangeSource(1)` gives, combined by key into so many partitions: node 2, behind a shuffle. */
export function combined(partitions: number): LineageNode {
  return {
    id: nodeId(2),
    callSite: site,
    kind: "combine",
    parent: nodeId(1),
    partitioner: { kind: "hash", partitions },
    aggregator: { kind: "first" },
    mapSideCombine: true,
  };
}

export function splitsOf(partitions: number): Split[] {
  return Array.from({ length: partitions }, (_, start) => ({ kind: "range", start, step: 1, count: 1 }));
}

export interface JobParts {
  readonly job: JobId;
  readonly nodes: readonly LineageNode[];
  readonly root: number;
  /** Partitions of each source, by node. */
  readonly sources: Readonly<Record<number, number>>;
  readonly action?: ActionSpec;
  readonly storage?: Readonly<Record<number, StorageLevel>>;
  readonly table?: ShuffleTable;
}

export function lower(parts: JobParts): StageGraph {
  return lowerJob({
    job: parts.job,
    nodes: new Map(parts.nodes.map((node) => [node.id, node])),
    root: nodeId(parts.root),
    action: parts.action ?? { kind: "count" },
    callSite: site,
    resolvedSources: new Map(Object.entries(parts.sources).map(([id, count]) => [nodeId(Number(id)), splitsOf(count)])),
    storage: new Map(Object.entries(parts.storage ?? {}).map(([id, level]) => [nodeId(Number(id)), level])),
    accumulators: [],
    table: parts.table ?? new ShuffleTable(),
  });
}

/** `table`: the session's, where it has several jobs. */
export function emptyJob(job: JobId, source: NodeId, partitions: number, table = new ShuffleTable()): StageGraph {
  return lower({ job, nodes: [rangeSource(source)], root: source, sources: { [source]: partitions }, table });
}
