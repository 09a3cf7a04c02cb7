// Runs one attempt's fragment on simulated data, the way a slot does on real data: reads splits, shuffle blocks and cached
// partitions of the simulated cluster, gives a TaskOutcome. Everything it reads may be gone: then it fails as a slot would.

import type { BlobHash, NodeId, ShuffleId, WorkerId } from "../../src/core/ids.js";
import { pack, unpack } from "../../src/core/packed.js";
import type { Fragment, FragmentInput, FragmentNode, Partitioner } from "../../src/plan/stages.js";
import {
  type CachedNow,
  generationOf,
  type MapOutputLocation,
  type MapOutputLocations,
  noMetrics,
  type TaskLaunch,
  type TaskMetrics,
  type TaskOutcome,
  type TaskResult,
} from "../../src/protocol/tasks.js";
import {
  applyOperator,
  boundsOf,
  cogroup,
  joinPairs,
  type Pair,
  place,
  sortPairs,
  sourceRecords,
  sumByKey,
} from "./records.js";

import { checksumOf, type Reads } from "./versions.js";

/** The data plane as one attempt sees it; null: not there (any more). */
export interface DataPlane {
  block(location: MapOutputLocation, shuffle: ShuffleId, map: number, partition: number): ReadRecords | null;
  cached(node: NodeId, partition: number): ReadRecords | null;
  /** What an operator gives here: the same, unless the program is unsteady. */
  perturb(node: NodeId, records: readonly Pair[]): readonly Pair[];
  /** Keeps a map output of this attempt, one list a reduce partition. */
  writeMapOutput(shuffle: ShuffleId, parts: readonly (readonly Pair[])[], checksum: string, reads: Reads): void;
  writeCached(node: NodeId, partition: number, records: readonly Pair[], reads: Reads): void;
  /** All that the attempt has read. */
  ended(reads: Reads): void;
  /** Keeps a result as a block; false: it rides in the status. */
  writeBlock(bytes: Uint8Array): boolean;
  /** Writes a part file aside; null: the output directory is gone. */
  writeFile(records: readonly Pair[]): { readonly pending: string; readonly final: string } | null;
  /** A blob that the worker has pulled. */
  blob(hash: BlobHash): Uint8Array;
  readonly worker: WorkerId;
}

export interface ReadRecords {
  readonly records: readonly Pair[];
  readonly reads: Reads;
}
type NarrowInput = FragmentInput & { readonly kind: "narrow" };

class OutputGone extends Error {}

class FetchFailed extends Error {
  constructor(
    readonly shuffle: ShuffleId,
    readonly map: number,
    readonly worker: WorkerId,
  ) {
    super("a simulated block is gone");
  }
}

export function runFragment(
  launch: TaskLaunch,
  bytes: Uint8Array,
  locations: readonly MapOutputLocations[],
  data: DataPlane,
  runMs: number,
): TaskOutcome {
  const attempt = new Attempt(launch, unpack<Fragment>(bytes), locations, data);
  try {
    const result = attempt.result();
    data.ended(attempt.reads);
    const metrics: TaskMetrics = { ...noMetrics, runMs };
    const update = { accumulator: 1, value: Uint8Array.of(launch.key.stage % 256, launch.key.partition % 256) };
    return { kind: "succeeded", result, accumulators: [update], metrics, cached: attempt.cachedNow };
  } catch (error) {
    if (error instanceof OutputGone) {
      const wire = { code: "OUTPUT_NOT_SHARED", message: error.message, fields: {} } as const;
      return { kind: "failed", error: wire, metrics: null };
    }
    if (!(error instanceof FetchFailed)) throw error;
    const wire = { code: "FETCH_FAILED", message: error.message, fields: {} } as const;
    return { kind: "fetchFailed", shuffle: error.shuffle, map: error.map, worker: error.worker, error: wire };
  }
}

class Attempt {
  readonly cachedNow: CachedNow[] = [];
  /** Of the records that are being made. */
  reads = new Set<string>();
  readonly #nodes: ReadonlyMap<NodeId, FragmentNode>;

  constructor(
    readonly launch: TaskLaunch,
    readonly fragment: Fragment,
    readonly locations: readonly MapOutputLocations[],
    readonly data: DataPlane,
  ) {
    this.#nodes = new Map(fragment.nodes.map((node) => [node.id, node]));
  }

  /** Of the data, where the key's number is that of a task. */
  get #dataPartition(): number {
    return this.launch.slice?.partition ?? this.launch.key.partition;
  }

  result(): TaskResult {
    const { output, nodes } = this.fragment;
    if (output.kind === "rangeBounds") {
      const keys = this.#value(output.of).flatMap((part) => unpack<number[]>(part));
      return this.#give(pack(boundsOf(keys, output.partitions)), 1);
    }
    const records = this.#open((nodes.at(-1) as FragmentNode).id, this.#dataPartition);
    switch (output.kind) {
      case "sampleKeys":
        return this.#give(pack(records.map(([k]) => k)), records.length);
      case "shuffle": {
        const parts = this.#partition(output.aggregator === null ? records : sumByKey(records), output.partitioner);
        const checksum = checksumOf(parts);
        this.data.writeMapOutput(output.shuffle, parts, checksum, this.reads);
        const moved = parts.reduce((sum, part) => sum + part.length, 0);
        return {
          kind: "mapOutput",
          shuffle: output.shuffle,
          output: {
            sizes: parts.map((part) => part.length),
            records: moved,
            checksum,
            ...(output.pairs && output.aggregator === null ? { weights: parts.map((part) => part.length) } : {}),
          },
        };
      }
      case "action": {
        if (output.action.kind === "saveAsTextFile") {
          const file = this.data.writeFile(records);
          if (file === null) throw new OutputGone("the simulated output directory is gone");
          return { kind: "file", ...file, sizeBytes: records.length, records: records.length };
        }
        const limit = output.action.kind === "collect" ? output.action.limit : null;
        const taken = limit === null ? records : records.slice(0, limit);
        return this.#give(pack(taken), taken.length);
      }
    }
  }

  #give(bytes: Uint8Array, records: number): TaskResult {
    if (this.data.writeBlock(bytes)) return { kind: "block", sizeBytes: bytes.byteLength, records };
    return { kind: "inline", bytes, records };
  }

  #partition(records: readonly Pair[], partitioner: Partitioner): Pair[][] {
    const bounds =
      partitioner.kind === "range" ? unpack<number[]>(this.#value(partitioner.bounds)[0] as Uint8Array) : [];
    const parts: Pair[][] = Array.from({ length: partitioner.partitions }, () => []);
    const turn = this.#dataPartition;
    records.forEach((record, i) => {
      (parts[place(partitioner.kind, partitioner.partitions, bounds, record[0], turn + i)] as Pair[]).push(record);
    });
    return parts;
  }

  #value(stage: number): readonly Uint8Array[] {
    const input = this.launch.values.find((value) => value.stage === stage);
    if (input === undefined) throw new Error(`the launch carries no value of stage ${stage}`);
    return input.blob === undefined ? input.parts : unpack<Uint8Array[]>(this.data.blob(input.blob));
  }

  #open(id: NodeId, partition: number): readonly Pair[] {
    const node = this.#nodes.get(id) as FragmentNode;
    if (node.storage === "NONE") return this.#compute(node, partition);
    const kept = this.data.cached(id, partition);
    if (kept !== null) return this.#read(kept);
    const outer = this.reads;
    this.reads = new Set();
    // A list of its own, by which its reads are found again.
    const records = [...this.#compute(node, partition)];
    this.data.writeCached(id, partition, records, this.reads);
    for (const name of this.reads) outer.add(name);
    this.reads = outer;
    const generation = generationOf(this.launch, id);
    this.cachedNow.push({
      node: id,
      partition,
      sizeBytes: records.length,
      ...(generation === 0 ? {} : { generation }),
    });
    return records;
  }

  #read({ records, reads }: ReadRecords): readonly Pair[] {
    for (const name of reads) this.reads.add(name);
    return records;
  }

  #compute(node: FragmentNode, partition: number): readonly Pair[] {
    const read = (input: FragmentInput) =>
      input.kind === "narrow" ? this.#open(input.node, partition) : this.#shuffle(input, partition);
    const first = () => read(node.inputs[0] as FragmentInput);
    switch (node.kind) {
      case "source": {
        const found = this.launch.splits.find((one) => one.node === node.id && one.partition === partition);
        if (found?.split.kind !== "range")
          throw new Error(`the launch carries no split of node ${node.id}, partition ${partition}`);
        return sourceRecords(found.split.start, found.split.count);
      }
      case "narrow":
        if (node.operator?.op === "joinPairs") return this.#join(node.inputs[0] as NarrowInput, partition);
        return this.data.perturb(
          node.id,
          applyOperator(node.operator as NonNullable<FragmentNode["operator"]>, first()),
        );
      case "zip":
      case "cartesian":
      case "index":
        throw new Error(`simulated programs have no ${node.kind}`);
      case "union": {
        const offsets = node.offsets ?? [];
        let input = offsets.length - 1;
        while (input > 0 && (offsets[input] as number) > partition) input--;
        return this.#open(
          (node.inputs[input] as FragmentInput & { kind: "narrow" }).node,
          partition - (offsets[input] as number),
        );
      }
      case "coalesce": {
        const parent = (node.inputs[0] as FragmentInput & { kind: "narrow" }).node;
        const from = node.offsets?.[partition] as number;
        const to = node.offsets?.[partition + 1] ?? (this.#nodes.get(parent) as FragmentNode).partitions;
        return Array.from({ length: to - from }, (_, i) => this.#open(parent, from + i)).flat();
      }
      case "combine":
        return sumByKey(first());
      case "cogroup":
        return cogroup(node.inputs.map(read));
      case "exchange": {
        const sort = node.sort ?? null;
        return sort === null ? first() : sortPairs(first(), sort);
      }
    }
  }

  /** In the parts that the launch names, one after the other. */
  #join({ node }: NarrowInput, partition: number): readonly Pair[] {
    const [left, right] = (this.#nodes.get(node) as FragmentNode).inputs as [FragmentInput, FragmentInput];
    const parts = this.launch.slice?.parts ?? null;
    const read = (input: FragmentInput, from: number, to: number) => {
      if (input.kind === "narrow") return this.#open(input.node, partition);
      return parts?.shuffle === input.shuffle
        ? this.#shuffle(input, partition, from, to)
        : this.#shuffle(input, partition);
    };
    const cuts = parts?.cuts ?? [0, 0];
    return cuts.slice(1).flatMap((to, i) => {
      const from = cuts[i] as number;
      return joinPairs(read(left, from, to), read(right, from, to));
    });
  }

  #shuffle(
    input: FragmentInput & { kind: "shuffle" },
    partition: number,
    from = 0,
    to = Number.POSITIVE_INFINITY,
  ): readonly Pair[] {
    const known = this.locations.find((one) => one.shuffle === input.shuffle);
    if (known === undefined) throw new FetchFailed(input.shuffle, -1, this.data.worker);
    return known.outputs.flatMap((location, map) => {
      if (map < from || map >= to) return [];
      const block = this.data.block(location, input.shuffle, map, partition);
      if (block === null) throw new FetchFailed(input.shuffle, map, location.worker);
      return this.#read(block);
    });
  }
}
