// mapPartitions: a function of the user's that pulls the records of a whole partition and answers an iterable, an
// asynchronous iterable, or a promise of either.

import type { CallSite } from "../plan/function.js";
import { ArraySource, BATCH_RECORDS, chainMaybe, drain, IteratorSource, isPromise, LazySource } from "./batches.js";
import type { BatchSource, MaybePromise, TaskContext } from "./task-context.js";
import { isThenable, operatorFailure, wrongShape } from "./user-errors.js";

export interface PartitionsCall {
  readonly below: BatchSource;
  readonly call: (records: Iterable<unknown>) => unknown;
  readonly context: TaskContext;
  readonly site: CallSite;
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
 * The records of a source as the one-pass iterable that user functions get. A source that answers promises (below an
 * asynchronous operator) is read to its end first, because the function pulls synchronously.
 */
export function pullable(below: BatchSource, context: TaskContext): MaybePromise<Iterable<unknown>> {
  const first = below.next();
  if (!isPromise(first)) return new PulledRecords(below, context, first);
  const all: unknown[] = [];
  return first.then((batch) => {
    for (const record of batch ?? []) all.push(record);
    const rest =
      batch === null
        ? undefined
        : drain(
            below,
            () => context.checkCancelled(),
            (records) => {
              for (const record of records) all.push(record);
              return false;
            },
          );
    return chainMaybe(rest, () => all);
  });
}

function open(options: PartitionsCall): MaybePromise<BatchSource> {
  return chainMaybe(pullable(options.below, options.context), (records) => {
    const { call, site, context } = options;
    let result: unknown;
    try {
      result = call(records);
    } catch (error) {
      throw operatorFailure(error, site, context.partition);
    }
    if (!isThenable(result)) return resultSource(result, options);
    return Promise.resolve(result).then(
      (value) => resultSource(value, options),
      (error: unknown) => {
        throw operatorFailure(error, site, context.partition);
      },
    );
  });
}

function resultSource(result: unknown, { site, context }: PartitionsCall): BatchSource {
  if (Array.isArray(result)) return new ArraySource(result);
  const { partition } = context;
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
      // Synchronous: a source whose first batch is no promise answers none later.
      this.#batch = this.below.next() as readonly unknown[] | null;
      this.#at = 0;
    }
    if (this.#batch === null) return { done: true, value: undefined };
    return { done: false, value: this.#batch[this.#at++] };
  }
}
