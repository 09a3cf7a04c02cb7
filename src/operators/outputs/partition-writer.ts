// Writes blocks of rows to the partitions of a shuffle: a counting sort by partition, then one frame a partition and block,
// encoded straight from the columns by index. Nothing is allocated per partition and block but the frame itself.

import { Checksum } from "../../codec/checksum.js";
import { MAX_BATCH_BYTES, MAX_BATCH_ROWS } from "../../codec/estimate.js";
import { encodePairsAt } from "../../codec/pairs.js";
import { type EncodeOptions, encodeRecords } from "../../codec/records.js";
import { SchemaTable } from "../../codec/schema.js";
import { MillraceError } from "../../core/errors.js";
import type { ShuffleOutput, TaskContext } from "../task-context.js";
import { HotKeys } from "./hot-keys.js";

export class PartitionWriter {
  readonly schemas = new SchemaTable();
  readonly checksum = new Checksum();
  readonly hotKeys = new HotKeys();
  /** Bytes of the rows of each partition as estimated from the rows alone; counted only by writeRows. */
  readonly weights: Float64Array;
  readonly #encoding: EncodeOptions;
  readonly #counts: Uint32Array;
  #parts = new Uint32Array(1024);
  #order = new Uint32Array(1024);

  constructor(
    readonly context: TaskContext,
    readonly output: ShuffleOutput,
    readonly partitions: number,
    /** Of a key, or of a whole record where records are not pairs. */
    readonly partitionOf: (key: unknown) => number,
  ) {
    this.#counts = new Uint32Array(partitions + 1);
    this.weights = new Float64Array(partitions);
    const { compress, checksum } = context.shuffleEncoding;
    this.#encoding = checksum ? { compress, checksum: this.checksum } : { compress };
  }

  /** `count` pairs of about `bytes` encoded. */
  writePairs(keys: ArrayLike<unknown>, values: ArrayLike<unknown>, count: number, bytes: number): void {
    this.#writeScattered(keys, values, this.#scatter(keys, count, null), count, bytes);
  }

  /** The same for pairs as the map task made them: their weights and hot keys are counted, `rowBytes[i]` for row i. */
  writeRows(
    keys: readonly unknown[],
    values: readonly unknown[],
    rowBytes: Float64Array,
    count: number,
    bytes: number,
  ): void {
    const order = this.#scatter(keys, count, rowBytes);
    this.hotKeys.look(keys, this.#parts, count);
    this.#writeScattered(keys, values, order, count, bytes);
  }

  /** The same for records that need not be pairs. */
  writeRecords(records: readonly unknown[], count: number, bytes: number): void {
    const order = this.#scatter(records, count, null);
    const { classes } = this.context;
    const sorted: unknown[] = [];
    for (let i = 0; i < count; i++) sorted.push(records[order[i] as number]);
    this.#eachFrame(count, bytes, (from, to) => encodeRecords(sorted, from, to, this.schemas, classes, this.#encoding));
  }

  #writeScattered(
    keys: ArrayLike<unknown>,
    values: ArrayLike<unknown>,
    order: Uint32Array,
    count: number,
    bytes: number,
  ): void {
    const { classes } = this.context;
    this.#eachFrame(count, bytes, (from, to) =>
      encodePairsAt(keys, values, order, from, to, this.schemas, classes, this.#encoding),
    );
  }

  /**
   * Rows [0, count) grouped by partition; `#counts[p + 1]` is where partition p ends. `rowBytes`, where given, are added to
   * the weights of the rows' partitions.
   */
  #scatter(keys: ArrayLike<unknown>, count: number, rowBytes: Float64Array | null): Uint32Array {
    if (this.#parts.length < count) {
      this.#parts = new Uint32Array(count);
      this.#order = new Uint32Array(count);
    }
    const { partitionOf, partitions, weights } = this;
    const parts = this.#parts;
    const order = this.#order;
    const counts = this.#counts.fill(0);
    for (let i = 0; i < count; i++) {
      const part = partitionOf(keys[i]);
      if (part >>> 0 !== part || part >= partitions) throw badPartition(part, partitions);
      parts[i] = part;
      counts[part + 1] = (counts[part + 1] as number) + 1;
    }
    for (let p = 1; p <= partitions; p++) counts[p] = (counts[p] as number) + (counts[p - 1] as number);
    for (let i = 0; i < count; i++) {
      const part = parts[i] as number;
      const place = counts[part] as number;
      order[place] = i;
      counts[part] = place + 1;
      if (rowBytes !== null) weights[part] = (weights[part] as number) + (rowBytes[i] as number);
    }
    // counts[p] has moved from where p begins to where it ends.
    counts.copyWithin(1, 0, partitions);
    counts[0] = 0;
    return order;
  }

  #eachFrame(count: number, bytes: number, encode: (from: number, to: number) => Uint8Array): void {
    const perRow = Math.max(1, bytes / Math.max(1, count));
    const step = Math.max(1, Math.min(MAX_BATCH_ROWS, Math.floor(MAX_BATCH_BYTES / perRow)));
    const counts = this.#counts;
    const { metrics } = this.context;
    for (let p = 0; p < this.partitions; p++) {
      this.checksum.place = p;
      const end = counts[p + 1] as number;
      for (let from = counts[p] as number; from < end; from += step) {
        const frame = encode(from, Math.min(end, from + step));
        metrics.shuffleWriteBytes += frame.byteLength;
        this.output.write(p, frame);
      }
    }
    metrics.shuffleWriteRecords += count;
    this.context.checkCancelled();
  }
}

function badPartition(part: unknown, partitions: number): MillraceError {
  return new MillraceError(
    "WRONG_SHAPE",
    `the partitioner must return an integer from 0 to ${partitions - 1}, but it returned ${String(part)}`,
    { fields: { partitions, returned: String(part) } },
  );
}
