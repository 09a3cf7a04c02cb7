// The output of a map task: records scattered to the partitions of a shuffle, combined first where the aggregator allows.
// Canonical order inside a partition is the order in which the map task made the records.

import { estimateBytes } from "../../codec/estimate.js";
import { checkKey } from "../../codec/keys.js";
import { type CallSite, formatCallSite } from "../../plan/function.js";
import type { FragmentOutput } from "../../plan/stages.js";
import { chainMaybe, isPromise } from "../batches.js";
import { type ChainOperator, type ChainRunner, compileChain, type SinkCode } from "../chain/chain-code.js";
import type { OpenChain } from "../chain/open-chain.js";
import { runChain, settleChain } from "../chain/settle.js";
import { Combine, combineFunctions } from "../combine/combine.js";
import { Reservation } from "../reservation.js";
import type { FragmentResult, MaybePromise, TaskContext } from "../task-context.js";
import { PartitionWriter } from "./partition-writer.js";

type ShuffleSpec = Extract<FragmentOutput, { kind: "shuffle" }>;

/** A block is scattered when it has so many rows or bytes; the larger it is, the fewer frames many partitions cost. */
const BLOCK_ROWS = 128 * 1024;
const BLOCK_BYTES = 8 * 1024 * 1024;
/** Where the budget refuses a block. Framing changes neither order nor values. */
const SMALL_BLOCK_BYTES = 1024 * 1024;

export function runShuffleOutput(
  chain: OpenChain,
  spec: ShuffleSpec,
  site: CallSite,
  context: TaskContext,
): MaybePromise<FragmentResult> {
  const { partitions } = spec.partitioner;
  const output = context.openShuffleOutput(spec.shuffle, partitions);
  const writer = new PartitionWriter(context, output, partitions, context.partitionOf(spec.partitioner));
  let sink: MapSink | null = null;
  const failed = (error: unknown): never => {
    sink?.release();
    output.abort();
    throw error;
  };
  const before = context.metrics.shuffleWriteRecords;
  const finish = (): FragmentResult => {
    sink?.end();
    sink?.release();
    const sizes = output.commit(writer.schemas);
    const records = context.metrics.shuffleWriteRecords - before;
    const checksum = writer.checksum.toString();
    const statistics = isRaw(spec) ? rawStatistics(writer, records) : {};
    return { kind: "mapOutput", shuffle: spec.shuffle, sizes, records, checksum, ...statistics };
  };
  try {
    const done = chainMaybe(settleChain(chain.source, chain.operators, context), (settled) => {
      sink = mapSink(spec, writer, settled.operators, site, context);
      return chainMaybe(runChain(settled, sink.runner, context), finish);
    });
    return isPromise(done) ? done.catch(failed) : done;
  } catch (error) {
    return failed(error);
  }
}

/** Pairs that leave the map task as they are: a key with many of them is many records for one reducer. */
function isRaw(spec: ShuffleSpec): boolean {
  return spec.pairs && (spec.aggregator === null || spec.aggregator.kind === "group");
}

function rawStatistics({ weights, hotKeys }: PartitionWriter, records: number) {
  const told = hotKeys.told(records);
  return { weights: Array.from(weights, Math.ceil), ...(told.length === 0 ? {} : { hotKeys: told }) };
}

interface MapSink {
  readonly runner: ChainRunner;
  end(): void;
  release(): void;
}

function mapSink(
  spec: ShuffleSpec,
  writer: PartitionWriter,
  operators: readonly ChainOperator[],
  site: CallSite,
  context: TaskContext,
): MapSink {
  const sites = [...operators.map((operator) => operator.site), site];
  if (spec.aggregator !== null && spec.aggregator.kind !== "group") {
    const functions = combineFunctions(spec.aggregator, "values", context);
    const combine = new Combine({ context, functions, operators, sites, flushBytes: spec.flushBytes }, (pairs) =>
      writer.writePairs(pairs.keys, pairs.values, pairs.count, estimateColumns(pairs.keys, pairs.values, pairs.count)),
    );
    return { runner: combine.runner, end: () => combine.end(), release: () => combine.abort() };
  }
  const block = new Block(context, spec.pairs, writer, site);
  const runner = compileChain<Block>(operators, spec.pairs ? pairBlockSink : recordBlockSink, {
    partition: context.partition,
    sites,
    checkCancelled: () => context.checkCancelled(),
    sink: block,
  });
  return { runner, end: () => block.flush(), release: () => block.release() };
}

const pairBlockSink: SinkCode = {
  name: "pair-block",
  setup: "",
  record: null,
  pair: (k, v) => `env.addPair(${k}, ${v});`,
};

const recordBlockSink: SinkCode = {
  name: "record-block",
  setup: "",
  record: (x) => `env.addRecord(${x});`,
  pair: null,
};

/** What the last block of this thread's tasks left: at most one, of at most 1 MiB. */
const spareRowBytes: Float64Array<ArrayBuffer>[] = [];

/** Rows that wait to be scattered. */
class Block {
  #keys: unknown[] = [];
  #values: unknown[] = [];
  /** By row of the block. Used again from block to block and task to task: a fresh list would cost a sort 3 % in garbage. */
  #rowBytes = spareRowBytes.pop() ?? new Float64Array(1024);
  #bytes = 0;
  readonly #limit: number;
  readonly #reservation: Reservation;
  constructor(
    readonly context: TaskContext,
    readonly pairs: boolean,
    readonly writer: PartitionWriter,
    site: CallSite,
  ) {
    this.#reservation = new Reservation(context.memory, `${formatCallSite(site)}: rows before the exchange`);
    this.#limit = this.#reservation.cover(3 * BLOCK_BYTES) ? BLOCK_BYTES : SMALL_BLOCK_BYTES;
  }

  addPair(key: unknown, value: unknown): void {
    if (typeof key === "object") checkKey(key, this.context.classes);
    const bytes = estimateBytes(key) + estimateBytes(value);
    const row = this.#keys.length;
    if (row === this.#rowBytes.length) this.#rowBytes = doubled(this.#rowBytes);
    this.#rowBytes[row] = bytes;
    this.#keys.push(key);
    this.#values.push(value);
    this.#bytes += bytes;
    if (this.#bytes >= this.#limit || this.#keys.length >= BLOCK_ROWS) this.flush();
  }

  addRecord(record: unknown): void {
    this.#keys.push(record);
    this.#bytes += estimateBytes(record);
    if (this.#bytes >= this.#limit || this.#keys.length >= BLOCK_ROWS) this.flush();
  }

  flush(): void {
    const count = this.#keys.length;
    if (count > 0) {
      if (this.pairs) this.writer.writeRows(this.#keys, this.#values, this.#rowBytes, count, this.#bytes);
      else this.writer.writeRecords(this.#keys, count, this.#bytes);
    }
    this.#keys = [];
    this.#values = [];
    this.#bytes = 0;
  }

  release(): void {
    this.#reservation.release();
    this.#keys = [];
    this.#values = [];
    if (spareRowBytes.length === 0) spareRowBytes.push(this.#rowBytes);
  }
}

function doubled(values: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * values.length);
  larger.set(values);
  return larger;
}

/** Bytes of a block of combined pairs, from a few of its rows. */
function estimateColumns(keys: ArrayLike<unknown>, values: ArrayLike<unknown>, count: number): number {
  const step = Math.max(1, Math.floor(count / 256));
  let bytes = 0;
  let looked = 0;
  for (let i = 0; i < count; i += step) {
    bytes += estimateBytes(keys[i]) + estimateBytes(values[i]);
    looked++;
  }
  return looked === 0 ? 0 : Math.ceil((bytes / looked) * count);
}
