// One operator whose function answers promises: at most 16 calls of a task run at once, results keep the order of the
// records, and the first rejection aborts the signal that the others were given.

import { setMaxListeners } from "node:events";
import { BATCH_RECORDS, isPromise, takeFrom } from "../batches.js";
import type { BatchSource } from "../task-context.js";
import { isThenable, notAPair, operatorFailure, wrongShape } from "../user-errors.js";
import { type ChainOperator, iteratorOf, type UserFunction } from "./chain-code.js";

export const MAX_IN_FLIGHT = 16;

export interface AsyncStageEnv {
  readonly partition: number;
  readonly signal: AbortSignal;
  checkCancelled(): void;
}

interface Call {
  readonly record: unknown;
  readonly result: Promise<unknown>;
}

export class AsyncStage implements BatchSource {
  readonly #below: BatchSource;
  readonly #operator: ChainOperator;
  readonly #env: AsyncStageEnv;
  readonly #abort = new AbortController();
  readonly #forward = () => this.#abort.abort(this.#env.signal.reason);
  readonly #calls: Call[] = [];
  #input: readonly unknown[] = [];
  #at = 0;
  #ended = false;
  #closed = false;
  #size = MAX_IN_FLIGHT;
  #out: unknown[] = [];
  #rest: Iterator<unknown> | null = null;
  #restKey: ((value: unknown) => unknown) | null = null;

  /** `started`: the first record and what the function already answered for it, when that is how it was found out. */
  constructor(
    below: BatchSource,
    operator: ChainOperator,
    env: AsyncStageEnv,
    started: { readonly record: unknown; readonly result: unknown } | null = null,
  ) {
    this.#below = below;
    this.#operator = operator;
    this.#env = env;
    // Sixteen calls may listen at once, and a task may have many stages: no leak that is worth a warning.
    setMaxListeners(0, this.#abort.signal, env.signal);
    if (env.signal.aborted) this.#forward();
    else env.signal.addEventListener("abort", this.#forward, { once: true });
    if (started !== null) this.#enter(started.record, started.result);
  }

  async next(): Promise<readonly unknown[] | null> {
    try {
      while (this.#out.length < this.#size) {
        if (this.#rest !== null) {
          this.#takeRest(this.#rest);
          continue;
        }
        await this.#fill();
        const call = this.#calls.shift();
        if (call === undefined) break;
        this.#apply(call.record, await this.#settled(call.result));
      }
    } catch (error) {
      this.#abort.abort(error);
      throw operatorFailure(error, this.#operator.site, this.#env.partition);
    }
    this.#size = Math.min(BATCH_RECORDS, this.#size * 2);
    const out = this.#out;
    this.#out = [];
    if (out.length === 0) return null;
    if (out.length <= BATCH_RECORDS) return out;
    this.#out = out.slice(BATCH_RECORDS);
    return out.slice(0, BATCH_RECORDS);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#env.signal.removeEventListener("abort", this.#forward);
    this.#abort.abort();
    this.#rest?.return?.();
    this.#below.close();
  }

  /** A cancelled task does not wait for a function that never answers. */
  #settled(result: Promise<unknown>): Promise<unknown> {
    const { signal } = this.#abort;
    return new Promise((resolve, reject) => {
      const cancelled = () => {
        try {
          this.#env.checkCancelled();
          reject(signal.reason);
        } catch (error) {
          reject(error);
        }
      };
      if (signal.aborted) return cancelled();
      signal.addEventListener("abort", cancelled, { once: true });
      result.then(resolve, reject).finally(() => signal.removeEventListener("abort", cancelled));
    });
  }

  async #fill(): Promise<void> {
    while (this.#calls.length < MAX_IN_FLIGHT) {
      if (this.#at >= this.#input.length) {
        if (this.#ended) return;
        this.#env.checkCancelled();
        const batch = this.#below.next();
        const records = isPromise(batch) ? await batch : batch;
        if (records === null) {
          this.#ended = true;
          return;
        }
        this.#input = records;
        this.#at = 0;
        continue;
      }
      const record = this.#input[this.#at++];
      this.#enter(record, (this.#operator.fn as UserFunction)(this.#argumentOf(record), this.#abort.signal));
    }
  }

  #enter(record: unknown, answer: unknown): void {
    const result = Promise.resolve(answer);
    // The rejection is seen when its turn comes; until then it must not count as unhandled.
    result.catch(() => undefined);
    this.#calls.push({ record, result });
  }

  #argumentOf(record: unknown): unknown {
    const { op, site } = this.#operator;
    if (op !== "mapValues" && op !== "flatMapValues") return record;
    if (!Array.isArray(record) || record.length !== 2) throw notAPair(record, site, this.#env.partition);
    return record[1];
  }

  #apply(record: unknown, result: unknown): void {
    const key = () => (record as readonly unknown[])[0];
    switch (this.#operator.op) {
      case "map":
        this.#out.push(result);
        return;
      case "filter":
        if (result) this.#out.push(record);
        return;
      case "keyBy":
        this.#out.push([result, record]);
        return;
      case "mapValues":
        this.#out.push([key(), result]);
        return;
      case "flatMap":
        this.#rest = this.#iterator(result);
        this.#restKey = null;
        return;
      case "flatMapValues":
        this.#rest = this.#iterator(result);
        this.#restKey = (value) => [key(), value];
        return;
      default:
        throw wrongShape("no promise", result, this.#operator.site, this.#env.partition);
    }
  }

  #iterator(result: unknown): Iterator<unknown> {
    if (isThenable(result)) throw wrongShape("an iterable", result, this.#operator.site, this.#env.partition);
    return iteratorOf(result, this.#operator.site, this.#env.partition);
  }

  #takeRest(rest: Iterator<unknown>): void {
    const wanted = this.#size - this.#out.length;
    const values = takeFrom(rest, wanted);
    const pair = this.#restKey;
    for (const value of values) this.#out.push(pair === null ? value : pair(value));
    if (values.length < wanted) this.#rest = null;
  }
}
