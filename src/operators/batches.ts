// Small sources of batches and the one loop that drains them. A chain of synchronous functions never makes a promise: the
// loop turns asynchronous only when a source below it answered one.

import type { BatchSource, MaybePromise } from "./task-context.js";

/** Records a batch holds at most. */
export const BATCH_RECORDS = 1024;

export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return value instanceof Promise;
}

/** fn(value), now or when the promise is there. */
export function chainMaybe<T, U>(value: MaybePromise<T>, fn: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return isPromise(value) ? value.then(fn) : fn(value);
}

/** Runs `body`, then `close` whatever happened, also when the body is asynchronous. */
export function withClose<T>(close: () => void, body: () => MaybePromise<T>): MaybePromise<T> {
  let result: MaybePromise<T>;
  try {
    result = body();
  } catch (error) {
    close();
    throw error;
  }
  if (isPromise(result)) return result.finally(close);
  close();
  return result;
}

/** Gives every batch to `take` until it answers true (enough) or the source ends. Does not close the source. */
export function drain(
  source: BatchSource,
  check: () => void,
  take: (batch: readonly unknown[]) => boolean,
): MaybePromise<void> {
  for (;;) {
    check();
    const batch = source.next();
    if (isPromise(batch)) return drainAsync(source, check, take, batch);
    if (batch === null || take(batch)) return;
  }
}

async function drainAsync(
  source: BatchSource,
  check: () => void,
  take: (batch: readonly unknown[]) => boolean,
  first: Promise<readonly unknown[] | null>,
): Promise<void> {
  let batch = await first;
  while (batch !== null && !take(batch)) {
    check();
    batch = await source.next();
  }
}

export const emptySource: BatchSource = { next: () => null, close: () => undefined };

/** An array in batches. */
export class ArraySource implements BatchSource {
  #at = 0;
  constructor(readonly records: readonly unknown[]) {}

  next(): readonly unknown[] | null {
    const { records } = this;
    const from = this.#at;
    if (from >= records.length) return null;
    this.#at = Math.min(records.length, from + BATCH_RECORDS);
    return from === 0 && this.#at === records.length ? records : records.slice(from, this.#at);
  }

  close(): void {
    this.#at = this.records.length;
  }
}

/** One source after the other; each is opened when the one before has ended, and closed then. */
export class ConcatSource implements BatchSource {
  #open: BatchSource | null = null;
  #at = 0;
  constructor(readonly openers: readonly (() => BatchSource)[]) {}

  next(): MaybePromise<readonly unknown[] | null> {
    for (;;) {
      if (this.#open === null) {
        const opener = this.openers[this.#at];
        if (opener === undefined) return null;
        this.#at++;
        this.#open = opener();
      }
      const batch = this.#open.next();
      if (isPromise(batch)) return batch.then((records) => records ?? this.#advance());
      if (batch !== null) return batch;
      this.#closeCurrent();
    }
  }

  close(): void {
    this.#at = this.openers.length;
    this.#closeCurrent();
  }

  #advance(): MaybePromise<readonly unknown[] | null> {
    this.#closeCurrent();
    return this.next();
  }

  #closeCurrent(): void {
    const open = this.#open;
    this.#open = null;
    open?.close();
  }
}

/** Lazily opened: nothing happens before the first `next`. */
export class LazySource implements BatchSource {
  #source: BatchSource | null = null;
  #opening: Promise<BatchSource> | null = null;
  #closed = false;
  constructor(readonly open: () => MaybePromise<BatchSource>) {}

  next(): MaybePromise<readonly unknown[] | null> {
    if (this.#source !== null) return this.#source.next();
    if (this.#closed) return null;
    const opened = this.open();
    if (!isPromise(opened)) {
      this.#source = opened;
      return opened.next();
    }
    this.#opening = opened;
    return opened.then((source) => {
      this.#opening = null;
      this.#source = source;
      if (this.#closed) {
        source.close();
        return null;
      }
      return source.next();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#opening === null) this.#source?.close();
  }
}

/** Batches already taken from a source, then the rest of it. */
export class PrependSource implements BatchSource {
  #head: readonly unknown[] | null;
  constructor(
    head: readonly unknown[],
    readonly rest: BatchSource,
  ) {
    this.#head = head.length === 0 ? null : head;
  }

  next(): MaybePromise<readonly unknown[] | null> {
    const head = this.#head;
    if (head === null) return this.rest.next();
    this.#head = null;
    return head;
  }

  close(): void {
    this.rest.close();
  }
}

/** A synchronous iterator in batches that grow from 32 to 1,024 records. */
export class IteratorSource implements BatchSource {
  #size = 32;
  #ended = false;
  constructor(
    readonly iterator: Iterator<unknown>,
    readonly onClose: () => void = () => undefined,
  ) {}

  next(): readonly unknown[] | null {
    if (this.#ended) return null;
    const out = takeFrom(this.iterator, this.#size);
    if (out.length < this.#size) this.#ended = true;
    this.#size = Math.min(BATCH_RECORDS, this.#size * 2);
    return out.length === 0 ? null : out;
  }

  close(): void {
    if (!this.#ended) {
      this.#ended = true;
      this.iterator.return?.();
    }
    this.onClose();
  }
}

/** Up to `count` values of an iterator; fewer mean that it has ended. */
export function takeFrom(iterator: Iterator<unknown>, count: number): unknown[] {
  const out: unknown[] = [];
  while (out.length < count) {
    const step = iterator.next();
    if (step.done === true) break;
    out.push(step.value);
  }
  return out;
}
