// mapBatches: the records of a partition as Arrow record batches, given to a function of the user's one after the other; what
// it gives back (a batch, a table, or several) becomes records again. Pulled: at most one batch waits on either side.

import type { RecordBatch, Table } from "apache-arrow";
import { recordsOf, schemaText } from "../codec/arrow/from-batch.js";
import { type Arrow, loadArrow } from "../codec/arrow/load.js";
import { BatchEncoder } from "../codec/arrow/to-batch.js";
import { MillraceError } from "../core/errors.js";
import type { Operator } from "../plan/lineage.js";
import type { FragmentNode } from "../plan/stages.js";
import { BATCH_RECORDS, isPromise } from "./batches.js";
import type { UserFunction } from "./chain/chain-code.js";
import type { BatchSource, MaybePromise, TaskContext } from "./task-context.js";
import { isThenable, operatorFailure, wrongShape } from "./user-errors.js";

export interface BatchesCall {
  readonly below: BatchSource;
  readonly fn: UserFunction;
  readonly operator: Operator & { readonly op: "mapBatches" };
  readonly node: FragmentNode;
  readonly context: TaskContext;
}

type Several = Iterator<unknown> | AsyncIterator<unknown>;

export function batchesSource(call: BatchesCall): BatchSource {
  return new BatchesSource(call);
}

const EXPECTED = "an Arrow RecordBatch, a Table, or an iterable of these";

class BatchesSource implements BatchSource {
  readonly #call: BatchesCall;
  readonly #arrow: Arrow = loadArrow();
  readonly #encoder: BatchEncoder;
  /** Records read for the next batch. */
  #held: unknown[] = [];
  #ended = false;
  /** Records made of the function's answer, given so far. */
  #ready: readonly unknown[] = [];
  #given = 0;
  /** What the function's answer still has. */
  #several: Several | null = null;
  #schema: string | null = null;

  constructor(call: BatchesCall) {
    this.#call = call;
    this.#encoder = new BatchEncoder(this.#arrow, call.operator.columns);
  }

  next(): MaybePromise<readonly unknown[] | null> {
    for (;;) {
      if (this.#given < this.#ready.length) return this.#give();
      const step = this.#step();
      if (isPromise(step)) return step.then((more) => (more ? this.next() : null));
      if (!step) return null;
    }
  }

  close(): void {
    this.#ended = true;
    this.#held = [];
    this.#ready = [];
    const several = this.#several;
    this.#several = null;
    // An asynchronous clean-up is nobody's concern: its records were not wanted.
    const closing = several?.return?.() as unknown;
    if (isThenable(closing)) closing.then(undefined, () => undefined);
    this.#call.below.close();
  }

  #give(): readonly unknown[] {
    const from = this.#given;
    this.#given = Math.min(this.#ready.length, from + BATCH_RECORDS);
    return this.#ready.slice(from, this.#given);
  }

  /** One thing more: a batch of the function's, a call, or a read. false: the partition has ended. */
  #step(): MaybePromise<boolean> {
    const { below, context, operator } = this.#call;
    context.checkCancelled();
    if (this.#several !== null) return this.#advance(this.#several);
    if (this.#held.length >= operator.rows || (this.#ended && this.#held.length > 0)) return this.#run();
    if (this.#ended) return false;
    const batch = below.next();
    return isPromise(batch) ? batch.then((records) => this.#hold(records)) : this.#hold(batch);
  }

  #hold(records: readonly unknown[] | null): true {
    if (records === null) this.#ended = true;
    else for (const record of records) this.#held.push(record);
    return true;
  }

  #run(): MaybePromise<boolean> {
    const { fn, context, operator } = this.#call;
    const rows = this.#held.splice(0, operator.rows);
    return this.#guarded(() => {
      const answer = fn(this.#encoder.encode(rows), context.signal);
      return isThenable(answer) ? Promise.resolve(answer).then((value) => this.#take(value)) : this.#take(answer);
    });
  }

  #advance(several: Several): MaybePromise<boolean> {
    const settle = (step: IteratorResult<unknown>): boolean => {
      if (step.done === true) this.#several = null;
      else this.#keep(this.#batchesOf(step.value) ?? this.#refuse(step.value));
      return true;
    };
    return this.#guarded(() => {
      const step = several.next();
      return isThenable(step) ? Promise.resolve(step).then(settle) : settle(step as IteratorResult<unknown>);
    });
  }

  #take(answer: unknown): boolean {
    const batches = this.#batchesOf(answer);
    if (batches !== null) {
      this.#keep(batches);
      return true;
    }
    if (typeof answer !== "object" || answer === null) return this.#refuse(answer);
    if (Symbol.asyncIterator in answer) this.#several = (answer as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    else if (Symbol.iterator in answer) this.#several = (answer as Iterable<unknown>)[Symbol.iterator]();
    else return this.#refuse(answer);
    return true;
  }

  #batchesOf(value: unknown): readonly RecordBatch[] | null {
    // A vector can be iterated too, but its values are no batches.
    if (value instanceof this.#arrow.RecordBatch) return [value as RecordBatch];
    return value instanceof this.#arrow.Table ? (value as Table).batches : null;
  }

  #keep(batches: readonly RecordBatch[]): void {
    const records: unknown[] = [];
    for (const batch of batches) {
      const schema = schemaText(batch);
      this.#schema ??= schema;
      if (schema !== this.#schema)
        throw new MillraceError(
          "WRONG_SHAPE",
          `the function gave a record batch with the columns (${schema}), after one with (${this.#schema}): all of a partition have the same`,
        );
      for (const record of recordsOf(this.#arrow, batch)) records.push(record);
    }
    this.#ready = records;
    this.#given = 0;
  }

  #refuse(answer: unknown): never {
    throw wrongShape(EXPECTED, answer, this.#call.node.callSite, this.#call.context.partition);
  }

  #guarded(body: () => MaybePromise<boolean>): MaybePromise<boolean> {
    const failed = (error: unknown): never => {
      throw operatorFailure(error, this.#call.node.callSite, this.#call.context.partition);
    };
    try {
      const result = body();
      return isPromise(result) ? result.catch(failed) : result;
    } catch (error) {
      return failed(error);
    }
  }
}
