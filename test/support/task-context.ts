// Runs fragments in this thread on in-memory shuffles, caches, files and spills: what operators need of a worker, and
// nothing else. `LocalRun` is one job; `pipeline` builds fragments by hand in a readable way.

import { type ClassRegistry, noClasses } from "../../src/codec/class-registry.js";
import type { CacheWriter, FrameSource, ShuffleOutput } from "../../src/codec/frame-flow.js";
import { compareKeys, hashKey } from "../../src/codec/keys.js";
import type { SchemaTable } from "../../src/codec/schema.js";
import { decodeStream, decodeValue, encodeValue } from "../../src/codec/stream.js";
import { MillraceError } from "../../src/core/errors.js";
import { blobHash, type NodeId, nodeId, type ShuffleId, type StageId } from "../../src/core/ids.js";
import { CountingBudget, type SpillFile, type SpillStore } from "../../src/core/memory.js";
import { noMetrics } from "../../src/core/task-metrics.js";
import { LARGE_GROUPS } from "../../src/operators/combine/large-group.js";
import { runFragment } from "../../src/operators/index.js";
import type { BatchSource, FragmentResult, MutableTaskMetrics, TaskContext } from "../../src/operators/task-context.js";
import type { CallSite, FunctionRef } from "../../src/plan/function.js";
import type { Fragment, FragmentInput, FragmentNode, FragmentOutput, Partitioner } from "../../src/plan/stages.js";

// biome-ignore lint/suspicious/noExplicitAny: tests pass functions of every shape
export type AnyFunction = (...args: any[]) => unknown;

let hashes = 0;

interface MapOutput {
  readonly frames: readonly (readonly Uint8Array[])[];
  readonly schemas: SchemaTable;
}

export interface LocalRunOptions {
  /** Memory of every task. Default: as good as unlimited. */
  readonly memoryBytes?: number;
  readonly classes?: ClassRegistry;
}

export class LocalRun {
  readonly functions = new Map<string, AnyFunction>();
  readonly shuffles = new Map<ShuffleId, MapOutput[]>();
  readonly values = new Map<StageId, readonly Uint8Array[]>();
  readonly cache = new Map<string, MapOutput>();
  readonly files = new Map<string, string>();
  /** Records of source nodes, a partition each; a function makes the batches itself. */
  readonly sources = new Map<NodeId, readonly (readonly unknown[])[] | ((partition: number) => BatchSource)>();
  readonly spills: MemorySpillStore[] = [];
  /** Sources that were opened and not closed. */
  openSources = 0;
  readonly metrics: MutableTaskMetrics = { ...noMetrics };
  readonly abort = new AbortController();
  readonly classes: ClassRegistry;
  readonly budgets: CountingBudget[] = [];

  constructor(readonly options: LocalRunOptions = {}) {
    this.classes = options.classes ?? noClasses;
  }

  fn(live: AnyFunction, async = live.constructor.name === "AsyncFunction"): FunctionRef {
    const hash = `fn${++hashes}`;
    this.functions.set(hash, live);
    return { hash: blobHash(hash), bytes: new Uint8Array(0), async, name: live.name };
  }

  /** Runs all partitions of a stage, one after the other, and returns their results. */
  async run(fragment: Fragment, partitions: number): Promise<FragmentResult[]> {
    const results: FragmentResult[] = [];
    for (let partition = 0; partition < partitions; partition++) results.push(await this.runTask(fragment, partition));
    return results;
  }

  async runTask(fragment: Fragment, partition: number): Promise<FragmentResult> {
    const result = await runFragment(fragment, this.context(partition));
    if (result.kind !== "spilled") return result;
    // As the end of an attempt does: the file goes with it.
    const { head, frames, records } = result;
    const bytes = Buffer.concat([head, frames.read(0, frames.sizeBytes)]);
    frames.delete();
    return { kind: "bytes", bytes, records };
  }

  /** The records of all partitions of an action whose result is a record stream. */
  async collect(fragment: Fragment, partitions: number): Promise<unknown[]> {
    return (await this.run(fragment, partitions)).flatMap((result) => this.records(result));
  }

  records(result: FragmentResult): unknown[] {
    if (result.kind !== "bytes") throw new Error(`a ${result.kind} result has no records`);
    return decodeStream(result.bytes, this.classes);
  }

  value(result: FragmentResult): unknown {
    if (result.kind !== "bytes") throw new Error(`a ${result.kind} result has no value`);
    return decodeValue(result.bytes, this.classes);
  }

  zero(value: unknown): Uint8Array {
    return encodeValue(value, this.classes);
  }

  /** Throws when something of an ended task is left: memory, scratch files, open sources. */
  assertNothingLeft(): void {
    for (const budget of this.budgets) {
      if (budget.reservedBytes !== 0) throw new Error(`${budget.reservedBytes} bytes are still reserved`);
    }
    for (const spill of this.spills)
      if (spill.openFiles !== 0) throw new Error(`${spill.openFiles} spill files are left`);
    if (this.openSources !== 0) throw new Error(`${this.openSources} sources are open`);
  }

  get spilledBytes(): number {
    return this.spills.reduce((sum, spill) => sum + spill.writtenBytes, 0);
  }

  context(partition: number): TaskContext {
    const memory = new CountingBudget(this.options.memoryBytes ?? 2 ** 40);
    const spill = new MemorySpillStore();
    this.budgets.push(memory);
    this.spills.push(spill);
    return {
      partition,
      memory,
      spill,
      classes: this.classes,
      metrics: this.metrics,
      shuffleEncoding: { compress: true, checksum: true },
      signal: this.abort.signal,
      checkCancelled: () => {
        if (this.abort.signal.aborted) throw new MillraceError("TASK_CANCELLED", "the task was cancelled");
      },
      revive: (fn) => this.functions.get(fn.hash) as never,
      openSplit: (node, at) => this.#openSplit(node.id, at),
      openShuffle: (shuffle, at, maps) => framesOf((this.shuffles.get(shuffle) ?? []).slice(maps?.from, maps?.to), at),
      openShuffleOutput: (shuffle, partitions) => this.#openShuffleOutput(shuffle, partitions, partition),
      partitionOf: (partitioner) => this.#partitionOf(partitioner, partition),
      value: (stage) => this.values.get(stage) ?? [],
      openCached: (node, at) => {
        const cached = this.cache.get(`${node}/${at}`);
        return cached === undefined ? null : framesOf([cached], 0);
      },
      openCacheWriter: (node, at) => this.#openCacheWriter(`${node}/${at}`),
      openPartFile: (url, at, _compression, output) =>
        this.#openPartFile(
          [url, ...(output === undefined ? [] : [output]), `part-${String(at).padStart(5, "0")}`].join("/"),
        ),
    };
  }

  #openSplit(node: NodeId, partition: number): BatchSource {
    const source = this.sources.get(node);
    if (source === undefined) throw new Error(`no source ${node}`);
    if (typeof source === "function") return source(partition);
    const records = source[partition] ?? [];
    let at = 0;
    this.openSources++;
    return {
      next: () => {
        if (at >= records.length) return null;
        const batch = records.slice(at, at + 1024);
        at += batch.length;
        return batch;
      },
      close: () => {
        this.openSources--;
      },
    };
  }

  #openShuffleOutput(shuffle: ShuffleId, partitions: number, map: number): ShuffleOutput {
    const frames: Uint8Array[][] = Array.from({ length: partitions }, () => []);
    return {
      write: (partition, frame) => {
        frames[partition]?.push(frame);
      },
      commit: (schemas) => {
        const outputs = this.shuffles.get(shuffle) ?? [];
        outputs[map] = { frames, schemas };
        this.shuffles.set(shuffle, outputs);
        return frames.map((list) => list.reduce((sum, frame) => sum + frame.byteLength, 0));
      },
      abort: () => undefined,
    };
  }

  #openCacheWriter(name: string): CacheWriter {
    const frames: Uint8Array[] = [];
    return {
      write: (frame) => {
        frames.push(frame);
      },
      commit: (schemas) => {
        this.cache.set(name, { frames: [frames], schemas });
        return true;
      },
      abort: () => undefined,
    };
  }

  #openPartFile(name: string) {
    const parts: Uint8Array[] = [];
    return {
      write: (bytes: Uint8Array) => {
        parts.push(bytes);
      },
      finish: () => {
        const bytes = Buffer.concat(parts);
        this.files.set(name, bytes.toString("utf8"));
        return { pending: `${name}.pending`, final: name, sizeBytes: bytes.byteLength };
      },
      abort: () => undefined,
    };
  }

  #partitionOf(partitioner: Partitioner, start: number): (key: unknown) => number {
    const { partitions } = partitioner;
    if (partitioner.kind === "hash") return (key) => hashKey(key) % partitions;
    if (partitioner.kind === "custom") {
      const fn = this.functions.get(partitioner.fn.hash) as AnyFunction;
      return (key) => fn(key, partitions) as number;
    }
    if (partitioner.kind === "roundRobin") {
      let turn = start;
      return () => turn++ % partitions;
    }
    const encoded = partitioner.kind === "bounds" ? [partitioner.bounds] : (this.values.get(partitioner.bounds) ?? []);
    const bounds = encoded.flatMap((bytes) => decodeStream(bytes, this.classes));
    return (key) => {
      let at = 0;
      while (at < bounds.length && compareKeys(key, bounds[at]) > 0) at++;
      return partitioner.ascending ? at : bounds.length - at;
    };
  }
}

export class MemorySpillStore implements SpillStore {
  writtenBytes = 0;
  memoryBytes = 0;
  openFiles = 0;
  largeGroups = 0;

  create(purpose: string): SpillFile {
    // Those of large groups end with their attempt, and not before.
    const counted = purpose === LARGE_GROUPS ? 0 : 1;
    if (counted === 0) this.largeGroups++;
    let bytes: Buffer = Buffer.alloc(1024);
    let size = 0;
    let open = true;
    this.openFiles += counted;
    return {
      get sizeBytes() {
        return size;
      },
      append: (data, memoryBytes = data.byteLength) => {
        const offset = size;
        if (size + data.byteLength > bytes.length) {
          const wider = Buffer.alloc(Math.max(bytes.length * 2, size + data.byteLength));
          bytes.copy(wider, 0, 0, size);
          bytes = wider;
        }
        bytes.set(data, offset);
        size += data.byteLength;
        this.writtenBytes += data.byteLength;
        this.memoryBytes += memoryBytes;
        return offset;
      },
      read: (offset, length) => {
        if (!open || offset + length > size) throw new MillraceError("IO_ERROR", "read beyond the end of a spill file");
        return Buffer.from(bytes.subarray(offset, offset + length));
      },
      delete: () => {
        if (open) this.openFiles -= counted;
        open = false;
      },
    };
  }
}

function framesOf(outputs: readonly MapOutput[], partition: number): FrameSource {
  const all = outputs.flatMap((output, map) =>
    (output?.frames[partition] ?? []).map((frame) => ({ frame, schemas: output.schemas, map })),
  );
  let at = 0;
  return { next: () => all[at++] ?? null, close: () => undefined };
}

let nodes = 0;

/** Nodes of one fragment, built from the source up: each call adds a node above the last. */
export class FragmentBuilder {
  readonly nodes: FragmentNode[] = [];
  constructor(readonly partitions: number) {}

  get last(): NodeId {
    return (this.nodes.at(-1) as FragmentNode).id;
  }

  add(kind: FragmentNode["kind"], method: string, rest: Partial<FragmentNode> = {}): this {
    const below = this.nodes.at(-1);
    this.nodes.push({
      id: nodeId(++nodes),
      kind,
      callSite: siteOf(method),
      partitions: this.partitions,
      inputs: below === undefined ? [] : [{ kind: "narrow", node: below.id }],
      storage: "NONE",
      ...rest,
    });
    return this;
  }

  source(run: LocalRun, partitions: readonly (readonly unknown[])[] | ((partition: number) => BatchSource)): this {
    this.add("source", "parallelize", { inputs: [], format: { kind: "collection", classes: [] } });
    run.sources.set(this.last, partitions);
    return this;
  }

  narrow(operator: NonNullable<FragmentNode["operator"]>, rest: Partial<FragmentNode> = {}): this {
    return this.add("narrow", operator.op, { operator, ...rest });
  }

  to(output: FragmentOutput): Fragment {
    return { nodes: this.nodes, output, accumulators: [] };
  }
}

export function siteOf(method: string): CallSite {
  return { file: "/home/user/program.ts", line: 7, column: 3, method };
}

export function shuffleInput(shuffle: ShuffleId, maps: number, combined: boolean): FragmentInput {
  return { kind: "shuffle", shuffle, maps, combined };
}
