// The answer that a job must give, computed on the whole lineage at once: no stages, no tasks, no frames, no failures. Shares with
// the engine the hash and order of keys, the rules of partitioning, and the functions of the program.

import { compareKeys } from "../../../src/codec/keys.js";
import { decodeStream } from "../../../src/codec/stream.js";
import { noClasses } from "../../../src/core/class-registry.js";
import type { NodeId } from "../../../src/core/ids.js";
import { rangeBounds } from "../../../src/operators/outputs/range-sample.js";
import type { ActionSpec, Aggregator, LineageNode, Operator } from "../../../src/plan/lineage.js";
import {
  type CountedPartitioner,
  countPartitioner,
  lineageOrder,
  parentsOf,
  placedAlready,
  type ResolvedNode,
  resolveLineage,
} from "../../../src/plan/resolve.js";
import type { Split } from "../../../src/plan/stages.js";
import {
  hashPartitioner,
  type PartitionFunction,
  rangePartitioner,
  roundRobinPartitioner,
} from "../../../src/shuffle/partitioners.js";
import { liveFunction } from "./functions.js";

type KeyValue = readonly [unknown, unknown];
export type Partitions = readonly (readonly unknown[])[];
// biome-ignore lint/suspicious/noExplicitAny: functions of every shape
type Call = (...args: any[]) => any;

export class Model {
  readonly #done = new Map<NodeId, Partitions>();

  constructor(private readonly nodes: ReadonlyMap<NodeId, LineageNode>) {}

  /** Every partition of a node. */
  partitions(root: NodeId): Partitions {
    const known = this.#done.get(root);
    if (known !== undefined) return known;
    const resolved = this.#resolve(root);
    for (const node of lineageOrder(this.nodes, root)) {
      if (!this.#done.has(node.id)) this.#done.set(node.id, this.#evaluate(node, resolved));
    }
    return this.#done.get(root) as Partitions;
  }

  /** Whether the records of a node lie by their keys. */
  isPlaced(node: NodeId): boolean {
    return this.#resolve(node).get(node)?.partitioner !== null;
  }

  forget(node: NodeId): void {
    this.#done.delete(node);
  }

  /** What each partition answers to an action. Lines of text for a save. */
  answer(root: NodeId, action: ActionSpec): Partitions {
    const parts = this.partitions(root);
    switch (action.kind) {
      case "collect":
        return parts;
      case "count":
        return parts.map((part) => [part.length]);
      case "reduce":
        return parts.map((part) => (part.length === 0 ? [] : [part.reduce(liveFunction(action.fn) as Call)]));
      case "countByKey":
        return parts.map((part) => grouped(part as KeyValue[]).map(([key, values]) => [key, values.length]));
      case "saveAsTextFile":
        return parts.map((part) => (part as KeyValue[]).map(([key, value]) => `${key}\t${value}`));
      default:
        throw new Error(`the model has no action ${action.kind}`);
    }
  }

  #resolve(root: NodeId): ReadonlyMap<NodeId, ResolvedNode> {
    const splits = new Map<NodeId, readonly Split[]>();
    for (const node of lineageOrder(this.nodes, root)) {
      if (node.kind === "source" && node.source.kind === "collection")
        splits.set(
          node.id,
          node.source.slices.map((bytes) => ({ kind: "bytes", bytes })),
        );
    }
    return resolveLineage(this.nodes, root, splits);
  }

  #evaluate(node: LineageNode, resolved: ReadonlyMap<NodeId, ResolvedNode>): Partitions {
    const inputs = parentsOf(node).map((id) => this.#done.get(id) as Partitions);
    const first = inputs[0] ?? [];
    switch (node.kind) {
      case "source":
        return node.source.kind === "collection"
          ? node.source.slices.map((slice) => decodeStream(slice, noClasses))
          : [];
      case "narrow":
        return first.map((records, partition) => narrow(node.operator, records, partition));
      case "zip":
        return zipped(inputs, node.fn === null ? null : (liveFunction(node.fn) as Call));
      case "cartesian": {
        const [left, right] = inputs as [Partitions, Partitions];
        return left.flatMap((some) =>
          right.map((others) => some.flatMap((one) => others.map((other) => [one, other]))),
        );
      }
      case "index":
        return numbered(first, node.unique);
      case "union":
        return inputs.flat();
      case "coalesce": {
        const to = Math.min(node.partitions, first.length);
        return Array.from({ length: to }, (_, i) =>
          first.slice(Math.floor((i * first.length) / to), Math.floor(((i + 1) * first.length) / to)).flat(),
        );
      }
      case "combine":
      case "cogroup":
      case "exchange": {
        const of = (id: NodeId) => resolved.get(id) as ResolvedNode;
        const partitioner = countPartitioner(node.partitioner, parentsOf(node), of);
        const moved = parentsOf(node).map((id, i) => {
          const records = inputs[i] as Partitions;
          if (placedAlready(of(id).partitioner, partitioner)) return records;
          const aggregator = node.kind === "combine" && node.mapSideCombine ? node.aggregator : null;
          const sampled = partitioner.kind === "range" && partitioner.of !== undefined ? partitioner.of : id;
          return exchanged(
            aggregator === null ? records : records.map((part) => combined(part, aggregator)),
            this.#done.get(sampled) as Partitions,
            partitioner,
            node.kind !== "exchange" || node.pairs,
          );
        });
        const parts = moved[0] as Partitions;
        if (node.kind === "combine") return parts.map((part) => combined(part, node.aggregator));
        if (node.kind === "cogroup") return parts.map((_, i) => cogrouped(moved.map((one) => one[i] ?? [])));
        const { sort } = node;
        return sort === null ? parts : parts.map((part) => sorted(part, sort === "ascending" ? 1 : -1));
      }
    }
  }
}

/** Only of as many records on either side where nothing but pairs is asked for: the program makes no other. */
function zipped(sides: readonly Partitions[], call: Call | null): Partitions {
  return (sides[0] as Partitions).map((records, i) => {
    const parts = sides.map((side) => side[i] as readonly unknown[]);
    return call === null ? records.map((_, at) => parts.map((part) => part[at])) : [...call(...parts)];
  });
}

function numbered(parts: Partitions, unique: boolean): Partitions {
  let before = 0;
  return parts.map((records, i) => {
    const first = before;
    before += records.length;
    return records.map((record, at) => [record, unique ? at * parts.length + i : first + at]);
  });
}

function narrow(operator: Operator, records: readonly unknown[], partition: number): readonly unknown[] {
  const call: Call = "fn" in operator ? (liveFunction(operator.fn) as Call) : () => undefined;
  switch (operator.op) {
    case "map":
      return records.map((record) => call(record));
    case "filter":
      return records.filter((record) => call(record));
    case "flatMap":
      return records.flatMap((record) => call(record));
    case "mapValues":
      return (records as KeyValue[]).map(([key, value]) => [key, call(value)]);
    case "mapPartitions":
      return [...call(records)];
    case "mapPartitionsWithIndex":
      return [...call(partition, records)];
    case "joinPairs":
      return (records as [unknown, [unknown[], unknown[]]][]).flatMap(([key, [left, right]]) =>
        left.flatMap((l) => right.map((r) => [key, [l, r]])),
      );
    default:
      throw new Error(`the model has no operator ${operator.op}`);
  }
}

/** `sampled`: what the bounds of a range are drawn from, before any combining. */
function exchanged(maps: Partitions, sampled: Partitions, partitioner: CountedPartitioner, keyed: boolean): Partitions {
  const out: unknown[][] = Array.from({ length: partitioner.partitions }, () => []);
  const bounds =
    partitioner.kind === "range"
      ? rangeBounds(
          sampled.flat().map((record) => ({ key: (record as KeyValue)[0], weight: 1 })),
          partitioner.partitions,
        )
      : [];
  maps.forEach((records, map) => {
    const place = placeOf(partitioner, bounds, map);
    for (const record of records) out[place(keyed ? (record as KeyValue)[0] : record)]?.push(record);
  });
  return out;
}

function placeOf(partitioner: CountedPartitioner, bounds: readonly unknown[], map: number): PartitionFunction {
  switch (partitioner.kind) {
    case "hash":
      return hashPartitioner(partitioner.partitions);
    case "roundRobin":
      return roundRobinPartitioner(partitioner.partitions, map);
    case "range":
      return rangePartitioner(bounds, partitioner.ascending);
    case "bounds":
      return rangePartitioner(decodeStream(partitioner.bounds, noClasses), partitioner.ascending);
    case "custom":
      throw new Error("the model has no custom partitioners");
  }
}

/** First-come order of keys, values in their order. */
function grouped(records: readonly KeyValue[]): [unknown, unknown[]][] {
  const groups = new Map<unknown, [unknown, unknown[]]>();
  for (const [key, value] of records) {
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [key, [value]]);
    else known[1].push(value);
  }
  return [...groups.values()];
}

function combined(records: readonly unknown[], aggregator: Aggregator): readonly unknown[] {
  const groups = grouped(records as KeyValue[]);
  if (aggregator.kind === "group") return groups;
  if (aggregator.kind !== "reduce") throw new Error(`the model has no aggregator ${aggregator.kind}`);
  const merge = liveFunction(aggregator.merge) as Call;
  return groups.map(([key, values]) => [key, values.reduce((a, b) => merge(a, b))]);
}

function cogrouped(inputs: Partitions): readonly unknown[] {
  const tagged = inputs.flatMap((records, parent) =>
    (records as KeyValue[]).map(([key, value]): KeyValue => [key, [parent, value]]),
  );
  return grouped(tagged).map(([key, values]) => [
    key,
    inputs.map((_, parent) => (values as [number, unknown][]).flatMap(([from, v]) => (from === parent ? [v] : []))),
  ]);
}

function sorted(records: readonly unknown[], sign: number): readonly unknown[] {
  return [...(records as KeyValue[])].sort((a, b) => sign * compareKeys(a[0], b[0]));
}
