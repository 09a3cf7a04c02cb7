// Lineage evaluated on plain arrays: what every operation means, without stages, shuffles, codec or threads. Partitions are
// arrays of records; a reducer sees its records in map order. The model for property tests.

import * as arrow from "apache-arrow";
import { recordsOf } from "../../src/codec/arrow/from-batch.js";
import { BatchEncoder } from "../../src/codec/arrow/to-batch.js";
import type { ClassRegistry } from "../../src/codec/class-registry.js";
import { compareKeys, hashKey, keysEqual } from "../../src/codec/keys.js";
import { decodeStream, decodeValue } from "../../src/codec/stream.js";
import { MillraceError } from "../../src/core/errors.js";
import type { NodeId } from "../../src/core/ids.js";
import { rangeBounds } from "../../src/operators/outputs/range-sample.js";
import type { FunctionRef } from "../../src/plan/function.js";
import type { Aggregator, LineageNode, Operator, PartitionerSpec, Source } from "../../src/plan/lineage.js";
import { partitionOfHash, rangePartitioner } from "../../src/shuffle/partitioners.js";

export type Revive = (ref: FunctionRef) => (...args: unknown[]) => unknown;
type Partitions = unknown[][];
type KeyValue = readonly [unknown, unknown];

export class LineageModel {
  readonly #nodes = new Map<NodeId, LineageNode>();
  readonly #kept = new Map<NodeId, Promise<Partitions>>();
  readonly #signal = new AbortController().signal;

  constructor(
    private readonly revive: Revive,
    private readonly classes: ClassRegistry,
    /** Partitions of a source that reads files. */
    private readonly readFiles: (source: Source) => Partitions = () => [],
  ) {}

  learn(nodes: readonly LineageNode[]): void {
    for (const node of nodes) this.#nodes.set(node.id, node);
  }

  forget(nodes: readonly NodeId[]): void {
    for (const id of nodes) this.#nodes.delete(id);
  }

  /** The node's records are kept as they are now; what it was made of may be forgotten. */
  cut(id: NodeId): void {
    this.#kept.set(id, this.evaluate(id));
  }

  get known(): readonly NodeId[] {
    return [...this.#nodes.keys()];
  }

  evaluate(id: NodeId): Promise<Partitions> {
    return this.#kept.get(id) ?? this.#evaluate(id);
  }

  async #evaluate(id: NodeId): Promise<Partitions> {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new MillraceError("PROTOCOL_ERROR", `node ${id} was never sent`);
    switch (node.kind) {
      case "source":
        return this.#source(node.source);
      case "narrow": {
        const parent = await this.evaluate(node.parent);
        return Promise.all(parent.map((records, partition) => this.#narrow(node.operator, records, partition)));
      }
      case "union":
        return (await Promise.all(node.parents.map((parent) => this.evaluate(parent)))).flat();
      case "zip": {
        const sides = await Promise.all(node.parents.map((parent) => this.evaluate(parent)));
        const [first] = sides as [Partitions];
        if (sides.some((side) => side.length !== first.length))
          throw new MillraceError("PARTITIONS_DIFFER", "different numbers of partitions");
        const fn = node.fn === null ? null : this.revive(node.fn);
        return Promise.all(
          first.map(async (records, i) => {
            const all = sides.map((side) => side[i] as unknown[]);
            if (fn !== null) return collectAsync((await fn(...all, this.#signal)) as Iterable<unknown>);
            if (all.some((side) => side.length !== records.length))
              throw new MillraceError("PARTITIONS_DIFFER", "different numbers of records");
            return records.map((_, k) => all.map((side) => side[k]));
          }),
        );
      }
      case "cartesian": {
        const [left, right] = (await Promise.all(node.parents.map((parent) => this.evaluate(parent)))) as [
          Partitions,
          Partitions,
        ];
        return left.flatMap((a) => right.map((b) => a.flatMap((x) => b.map((y) => [x, y]))));
      }
      case "index": {
        const parent = await this.evaluate(node.parent);
        let before = 0;
        return parent.map((records, i) => {
          const first = before;
          before += records.length;
          return records.map((record, k) => [record, node.unique ? k * parent.length + i : first + k]);
        });
      }
      case "coalesce": {
        const parent = await this.evaluate(node.parent);
        const count = Math.min(node.partitions, parent.length);
        return Array.from({ length: count }, (_, i) =>
          parent.slice(Math.floor((i * parent.length) / count), Math.floor(((i + 1) * parent.length) / count)).flat(),
        );
      }
      case "combine": {
        const placed = await this.#moved(node.parent, this.#specOf(node), true);
        return placed.map((records) => this.#combine(records as KeyValue[], node.aggregator));
      }
      case "cogroup": {
        const parents = await Promise.all(node.parents.map((parent) => this.evaluate(parent)));
        const spec = this.#specOf(node);
        const partitions = spec.partitions ?? Math.max(...parents.map((parent) => parent.length));
        const counted = { ...spec, partitions } as PartitionerSpec;
        const placed = await Promise.all(node.parents.map((parent) => this.#moved(parent, counted, true)));
        return Array.from({ length: partitions }, (_, i) => cogroup(placed.map((parent) => parent[i] as KeyValue[])));
      }
      case "exchange": {
        const spec = this.#specOf(node);
        if (node.sort === null) return this.#moved(node.parent, spec, node.pairs);
        const sign = node.sort === "ascending" ? 1 : -1;
        const placed = (await this.#moved(node.parent, spec, true)) as KeyValue[][];
        return placed.map((records) => [...records].sort((a, b) => sign * compareKeys(a[0], b[0])));
      }
    }
  }

  #source(source: Source): Partitions {
    if (source.kind === "collection") for (const made of source.classes) this.revive(made);
    if (source.kind === "collection") return source.slices.map((slice) => decodeStream(slice, this.classes));
    if (source.kind !== "range") return this.readFiles(source);
    const { start, end, step, slices } = source;
    const count = Math.max(0, Math.ceil((end - start) / step));
    const all = Array.from({ length: count }, (_, i) => start + i * step);
    return Array.from({ length: slices }, (_, i) =>
      all.slice(Math.floor((i * count) / slices), Math.floor(((i + 1) * count) / slices)),
    );
  }

  async #narrow(operator: Operator, records: unknown[], partition: number): Promise<unknown[]> {
    switch (operator.op) {
      case "keys":
        return pairs(records).map(([key]) => key);
      case "values":
        return pairs(records).map(([, value]) => value);
      case "asKey":
        return records.map((record) => [record, null]);
      case "joinPairs":
        return (records as [unknown, [unknown[], unknown[]]][]).flatMap(([key, [left, right]]) =>
          left.flatMap((l) => right.map((r) => [key, [l, r]])),
        );
      case "mapPartitions":
        return collectAsync((await this.revive(operator.fn)(records, this.#signal)) as Iterable<unknown>);
      case "mapBatches":
        return this.#mapBatches(operator, records);
      case "mapPartitionsWithIndex":
        return collectAsync((await this.revive(operator.fn)(partition, records, this.#signal)) as Iterable<unknown>);
      default:
        return this.#byRecord(operator, records);
    }
  }

  async #mapBatches(operator: Operator & { op: "mapBatches" }, records: unknown[]): Promise<unknown[]> {
    const encoder = new BatchEncoder(arrow, operator.columns);
    const out: unknown[] = [];
    for (let from = 0; from < records.length; from += operator.rows) {
      const batch = encoder.encode(records.slice(from, from + operator.rows));
      const answer = await this.revive(operator.fn)(batch, this.#signal);
      const isOne = answer instanceof arrow.RecordBatch || answer instanceof arrow.Table;
      const all = isOne ? [answer] : await collectAsync(answer as Iterable<unknown>);
      for (const one of all as (arrow.RecordBatch | arrow.Table)[])
        for (const part of "batches" in one ? one.batches : [one]) out.push(...recordsOf(arrow, part));
    }
    return out;
  }

  async #byRecord(operator: Operator & { fn: FunctionRef }, records: unknown[]): Promise<unknown[]> {
    const fn = this.revive(operator.fn);
    const call = (record: unknown) => fn(record, this.#signal);
    const out: unknown[] = [];
    for (const record of records) {
      switch (operator.op) {
        case "map":
          out.push(await call(record));
          break;
        case "flatMap":
          out.push(...((await call(record)) as Iterable<unknown>));
          break;
        case "filter":
          if (await call(record)) out.push(record);
          break;
        case "keyBy":
          out.push([await call(record), record]);
          break;
        case "mapValues": {
          const [key, value] = pair(record);
          out.push([key, await call(value)]);
          break;
        }
        case "flatMapValues": {
          const [key, value] = pair(record);
          for (const one of (await call(value)) as Iterable<unknown>) out.push([key, one]);
        }
      }
    }
    return out;
  }

  /** The partitioner with references followed; left open over a single parent that is placed by its keys, that one's. */
  #specOf(node: LineageNode & { partitioner: PartitionerSpec }): PartitionerSpec {
    const { partitioner } = node;
    if (partitioner.kind === "as") return this.#placedBy(partitioner.node) as PartitionerSpec;
    const open = partitioner.kind === "hash" && partitioner.partitions === null && "parent" in node;
    return (open ? this.#placedBy(node.parent) : null) ?? partitioner;
  }

  /** How a node's records lie; a count of null is that of the node itself. */
  #placedBy(id: NodeId): PartitionerSpec | null {
    const node = this.#nodes.get(id) as LineageNode;
    if (node.kind === "narrow") return node.preservesPartitioning ? this.#placedBy(node.parent) : null;
    if (node.kind !== "combine" && node.kind !== "exchange" && node.kind !== "cogroup") return null;
    const spec = this.#specOf(node);
    if (spec.kind === "roundRobin") return null;
    return spec.kind === "range" && spec.of === undefined && "parent" in node ? { ...spec, of: node.parent } : spec;
  }

  async #moved(id: NodeId, spec: PartitionerSpec, keyed: boolean): Promise<Partitions> {
    const parent = await this.evaluate(id);
    if (spec.kind !== "range") return this.#place(parent, spec, keyed);
    const known = this.#placedBy(id);
    const [count, knownCount] = [spec.partitions ?? parent.length, known?.partitions ?? parent.length];
    if (known?.kind === "range" && known.of === spec.of && known.ascending === spec.ascending && count === knownCount)
      return parent;
    const keys = (await this.evaluate(spec.of ?? id)).flat().map((record) => ({ key: pair(record)[0], weight: 1 }));
    const place = rangePartitioner(rangeBounds(keys, count), spec.ascending);
    const placed: Partitions = Array.from({ length: count }, () => []);
    for (const record of parent.flat()) placed[place(pair(record)[0])]!.push(record);
    return placed;
  }

  #place(parent: Partitions, partitioner: PartitionerSpec, keyed: boolean): Partitions {
    const count = partitioner.partitions ?? parent.length;
    if (partitioner.kind === "bounds") {
      const place = rangePartitioner(decodeStream(partitioner.bounds, this.classes), partitioner.ascending);
      const parts: Partitions = Array.from({ length: count }, () => []);
      for (const record of parent.flat()) parts[place(pair(record)[0])]!.push(record);
      return parts;
    }
    const placed: Partitions = Array.from({ length: count }, () => []);
    const by = partitioner.kind === "custom" ? this.revive(partitioner.fn) : null;
    for (const [partition, records] of parent.entries()) {
      for (const [position, record] of records.entries()) {
        const key = keyed ? pair(record)[0] : null;
        const at =
          partitioner.kind === "roundRobin"
            ? (partitionOfHash(hashKey(partition), count) + position) % count
            : by === null
              ? partitionOfHash(hashKey(key), count)
              : (by(key, count) as number);
        placed[at]!.push(record);
      }
    }
    return placed;
  }

  #combine(records: readonly KeyValue[], aggregator: Aggregator): unknown[] {
    const combined: unknown[] = [];
    for (const [key, values] of groups(records)) combined.push([key, this.#combined(values, aggregator)]);
    return combined;
  }

  #combined(values: readonly unknown[], aggregator: Aggregator): unknown {
    switch (aggregator.kind) {
      case "group":
        return values;
      case "first":
        return values[0];
      case "reduce":
        return values.reduce((a, b) => this.revive(aggregator.merge)(a, b));
      case "aggregate": {
        for (const made of aggregator.classes ?? []) this.revive(made);
        const seq = this.revive(aggregator.seq);
        return values.reduce((total, value) => seq(total, value), decodeValue(aggregator.zero, this.classes));
      }
      case "functions": {
        const mergeValue = this.revive(aggregator.mergeValue);
        const [head, ...rest] = values;
        return rest.reduce((combiner, value) => mergeValue(combiner, value), this.revive(aggregator.create)(head));
      }
    }
  }
}

/** Pairs by equal key, keys and values in the order in which they come. */
export function groups(records: readonly KeyValue[]): [unknown, unknown[]][] {
  const found: [unknown, unknown[]][] = [];
  const byHash = new Map<number, [unknown, unknown[]][]>();
  for (const [key, value] of records) {
    const hash = hashKey(key);
    const bucket = byHash.get(hash) ?? [];
    byHash.set(hash, bucket);
    let group = bucket.find((entry) => keysEqual(entry[0], key));
    if (group === undefined) {
      group = [key, []];
      bucket.push(group);
      found.push(group);
    }
    group[1].push(value);
  }
  return found;
}

function cogroup(parents: readonly (readonly KeyValue[])[]): unknown[] {
  const tagged = parents.flatMap((records, parent) =>
    records.map(([key, value]) => [key, [parent, value]] as KeyValue),
  );
  return groups(tagged).map(([key, values]) => [
    key,
    parents.map((_, parent) =>
      (values as [number, unknown][]).filter(([from]) => from === parent).map(([, value]) => value),
    ),
  ]);
}

function pair(record: unknown): KeyValue {
  if (!Array.isArray(record) || record.length !== 2) {
    throw new MillraceError("NOT_A_PAIR", `a pair operation met ${JSON.stringify(record)}`);
  }
  return record as unknown as KeyValue;
}

function pairs(records: readonly unknown[]): KeyValue[] {
  return records.map(pair);
}

async function collectAsync(iterable: Iterable<unknown> | AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const record of iterable) all.push(record);
  return all;
}
