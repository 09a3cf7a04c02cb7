// The rows of one key that memory does not hold: appended to a scratch file as they come, read back as often as somebody
// iterates. The file stays until the attempt ends, because a record that names the group may be encoded long after the
// source that made it was closed.

import { estimateBytes } from "../../codec/estimate.js";
import { StoredValues } from "../../codec/stored-values.js";
import { describeValue } from "../../codec/value-kind.js";
import { MillraceError } from "../../core/errors.js";
import { formatBytes } from "../../core/sizes.js";
import { type CallSite, formatCallSite } from "../../plan/function.js";
import type { TaskContext } from "../task-context.js";
import { type RunFile, SeqRun } from "./seq-runs.js";

/** Purpose of the scratch files that end with their attempt. */
export const LARGE_GROUPS = "large-groups";

/** A side that is no larger is given as an array. */
const SMALL_BYTES = 64 * 1024;
/** A group becomes an array up to the task's share of memory, or so much. */
const FITS_BYTES = 4 * 1024 * 1024;

export class LargeGroup {
  readonly #sides: LargeSide[] = [];

  /** `parents`: of a cogroup; 0: groupByKey. */
  constructor(
    readonly key: unknown,
    /** Of the key's first row. */
    readonly seq: number,
    readonly parents: number,
    file: RunFile,
    context: TaskContext,
    site: CallSite,
  ) {
    for (let i = 0; i < Math.max(1, parents); i++) this.#sides.push(new LargeSide(key, file, context, site));
  }

  add(value: unknown, parent: number): void {
    (this.#sides[parent] as LargeSide).add(value);
  }

  /** What stands beside the key in the result. */
  values(): unknown {
    const sides = this.#sides.map((side) => (side.bytes <= SMALL_BYTES ? [...side] : side));
    return this.parents === 0 ? sides[0] : sides;
  }
}

class LargeSide extends StoredValues {
  readonly #key: unknown;
  readonly #run: SeqRun;
  readonly #context: TaskContext;
  readonly #site: CallSite;
  #count = 0;
  #bytes = 0;

  constructor(key: unknown, file: RunFile, context: TaskContext, site: CallSite) {
    super();
    this.#key = key;
    this.#run = new SeqRun(file);
    this.#context = context;
    this.#site = site;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(value: unknown): void {
    this.#run.add(0, null, value);
    this.#count++;
    this.#bytes += estimateBytes(value);
  }

  *[Symbol.iterator](): Generator<unknown, void, void> {
    this.#run.end();
    for (const { values } of this.#run.read()) {
      this.#context.checkCancelled();
      for (let i = 0; i < values.length; i++) yield values[i];
    }
  }

  toArray(): unknown[] {
    const { memory, partition } = this.#context;
    const fits = Math.max(FITS_BYTES, memory.limitBytes);
    if (this.#bytes <= fits) return [...this];
    const operator = formatCallSite(this.#site);
    const key = describeValue(this.#key).replace(/^the (string|number) /, "");
    throw new MillraceError(
      "GROUP_TOO_LARGE",
      `${operator}, partition ${partition}: the key ${key} has ${this.#count} values of about ${formatBytes(this.#bytes)}, more than the ${formatBytes(fits)} that a task may hold, and they are to leave the task as one array; combine them (reduceByKey, aggregateByKey), iterate them in a function (mapValues, flatMap), or give the worker more memory`,
      { fields: { operator, partition, key, values: this.#count, bytes: this.#bytes, limitBytes: fits } },
    );
  }
}

/** Chunks of groups by rising sequence number, with the large groups in their places. */
export function* withLargeGroups(
  chunks: Iterable<{
    readonly keys: ArrayLike<unknown>;
    readonly values: ArrayLike<unknown>;
    readonly seqs: ArrayLike<number>;
  }>,
  groups: () => readonly LargeGroup[],
): Generator<{ keys: unknown[]; values: unknown[]; seqs: Float64Array }, void, void> {
  // Known when the first chunk is there: grouping the buckets finds more of them.
  let waiting: LargeGroup[] | null = null;
  const bySeq = () => [...groups()].sort((a, b) => a.seq - b.seq);
  for (const { keys, values, seqs } of chunks) {
    waiting ??= bySeq();
    const out = { keys: [] as unknown[], values: [] as unknown[], seqs: [] as number[] };
    for (let i = 0; i < seqs.length; i++) {
      while (waiting.length > 0 && (waiting[0] as LargeGroup).seq < (seqs[i] as number))
        put(out, waiting.shift() as LargeGroup);
      out.keys.push(keys[i]);
      out.values.push(values[i]);
      out.seqs.push(seqs[i] as number);
    }
    yield { ...out, seqs: Float64Array.from(out.seqs) };
  }
  const out = { keys: [] as unknown[], values: [] as unknown[], seqs: [] as number[] };
  for (const group of waiting ?? bySeq()) put(out, group);
  if (out.keys.length > 0) yield { ...out, seqs: Float64Array.from(out.seqs) };
}

function put(out: { keys: unknown[]; values: unknown[]; seqs: number[] }, group: LargeGroup): void {
  out.keys.push(group.key);
  out.values.push(group.values());
  out.seqs.push(group.seq);
}
