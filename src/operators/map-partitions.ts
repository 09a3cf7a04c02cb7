// mapPartitions: a function of the user's that pulls the records of a whole partition and answers an iterable, an
// asynchronous iterable, or a promise of either.

import { MillraceError } from "../core/errors.js";
import type { CallSite } from "../plan/function.js";
import { ArraySource, BATCH_RECORDS, chainMaybe, drain, IteratorSource, isPromise, LazySource } from "./batches.js";
import type { BatchSource, MaybePromise, TaskContext } from "./task-context.js";
import { isThenable, operatorFailure, wrongShape } from "./user-errors.js";

export interface PartitionsCall {
  readonly below: BatchSource;
  readonly call: (records: Iterable<unknown>) => unknown;
  readonly context: TaskContext;
  readonly site: CallSite;
  /** An asynchronous function may stand below: read all records before the call. */
  readonly gather: boolean;
}

export function partitionsSource(options: PartitionsCall): BatchSource {
  const { below } = options;
  const source = new LazySource(() => open(options));
  return {
    next: () => source.next(),
    close: () => {
      source.close();
      below.close();
    },
  };
}

/**
 * The records of a source as the one-pass iterable that user functions get. A source that answers promises is read to its
 * end first (`gather`, or its first batch tells), because the function pulls synchronously.
 */
export function pullable(below: BatchSource, context: TaskContext, gather: boolean): MaybePromise<Iterable<unknown>> {
  const first = gather ? null : below.next();
  if (!gather && !isPromise(first)) return new PulledRecords(below, context, first);
  const all: unknown[] = [];
  const take = (records: readonly unknown[]) => {
    for (const record of records) all.push(record);
    return false;
  };
  return chainMaybe(first, (batch) => {
    if (batch !== null) take(batch);
    else if (!gather) return all;
    return chainMaybe(
      drain(below, () => context.checkCancelled(), take),
      () => all,
    );
  });
}

function open(options: PartitionsCall): MaybePromise<BatchSource> {
  return chainMaybe(pullable(options.below, options.context, options.gather), (records) => {
    const { call, site, context } = options;
    return callResult(() => call(records), site, context.partition);
  });
}

/** What a function of whole partitions answers, as a source. */
export function callResult(call: () => unknown, site: CallSite, partition: number): MaybePromise<BatchSource> {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    throw operatorFailure(error, site, partition);
  }
  if (!isThenable(result)) return resultSource(result, site, partition);
  return Promise.resolve(result).then(
    (value) => resultSource(value, site, partition),
    (error: unknown) => {
      throw operatorFailure(error, site, partition);
    },
  );
}

function resultSource(result: unknown, site: CallSite, partition: number): BatchSource {
  if (Array.isArray(result)) return new ArraySource(result);
  const failure = (error: unknown) => operatorFailure(error, site, partition);
  if (typeof result === "object" && result !== null && Symbol.asyncIterator in result) {
    return new AsyncIteratorSource((result as AsyncIterable<unknown>)[Symbol.asyncIterator](), failure);
  }
  if (typeof result === "object" && result !== null && Symbol.iterator in result) {
    return guarded(new IteratorSource((result as Iterable<unknown>)[Symbol.iterator]()), failure);
  }
  throw wrongShape("an iterable", result, site, partition);
}

/** The same source with its errors told as the operator's. */
function guarded(source: BatchSource, failure: (error: unknown) => unknown): BatchSource {
  return {
    next: () => {
      try {
        return source.next();
      } catch (error) {
        throw failure(error);
      }
    },
    close: () => source.close(),
  };
}

class AsyncIteratorSource implements BatchSource {
  #ended = false;
  #size = 16;
  constructor(
    readonly iterator: AsyncIterator<unknown>,
    readonly failure: (error: unknown) => unknown,
  ) {}

  async next(): Promise<readonly unknown[] | null> {
    const out: unknown[] = [];
    try {
      while (!this.#ended && out.length < this.#size) {
        const step = await this.iterator.next();
        if (step.done === true) this.#ended = true;
        else out.push(step.value);
      }
    } catch (error) {
      this.#ended = true;
      throw this.failure(error);
    }
    this.#size = Math.min(BATCH_RECORDS, this.#size * 2);
    return out.length === 0 ? null : out;
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    // Nobody waits for the generator's clean-up; its failure concerns nobody either, the records were not wanted.
    this.iterator.return?.().then(undefined, () => undefined);
  }
}

class PulledRecords implements Iterable<unknown>, Iterator<unknown> {
  #batch: readonly unknown[] | null;
  #at = 0;
  constructor(
    readonly below: BatchSource,
    readonly context: TaskContext,
    first: readonly unknown[] | null,
  ) {
    this.#batch = first;
  }

  [Symbol.iterator](): Iterator<unknown> {
    return this;
  }

  next(): IteratorResult<unknown> {
    while (this.#batch !== null && this.#at >= this.#batch.length) {
      this.context.checkCancelled();
      const batch = this.below.next();
      if (isPromise(batch)) throw lateAsync(batch);
      this.#batch = batch;
      this.#at = 0;
    }
    if (this.#batch === null) return { done: true, value: undefined };
    return { done: false, value: this.#batch[this.#at++] };
  }
}

/** A function that is not declared async answered its first promise after the partition's function had begun to read. */
function lateAsync(batch: Promise<unknown>): MillraceError {
  // Its own outcome concerns nobody any more.
  batch.catch(() => undefined);
  return new MillraceError(
    "SYNC_FUNCTION_REQUIRED",
    "a function below mapPartitions answered a promise for a later record only: declare it async, so that it is awaited",
  );
}
