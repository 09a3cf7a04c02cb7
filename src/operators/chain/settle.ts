// Makes a chain ready to run: cuts it at asynchronous functions, and lets the first record through by hand to see whether
// a plain function answers a promise. What is left is a source and a list of operators that are known to be synchronous,
// which the caller compiles into one loop with its sink.

import {
  ArraySource,
  ConcatSource,
  chainMaybe,
  drain,
  emptySource,
  IteratorSource,
  PrependSource,
  withClose,
} from "../batches.js";
import type { BatchSource, MaybePromise, TaskContext } from "../task-context.js";
import { isThenable, notAPair, operatorFailure } from "../user-errors.js";
import { AsyncStage } from "./async-stage.js";
import { type ChainEnv, type ChainOperator, type ChainRunner, iteratorOf } from "./chain-code.js";
import { FusedSource } from "./fused-source.js";

export interface SettledChain {
  readonly source: BatchSource;
  /** Synchronous, still to be applied to what `source` gives. */
  readonly operators: readonly ChainOperator[];
  /** Records that went through all operators already; they come before those of `source`. */
  readonly head: readonly unknown[];
}

export function settleChain(
  source: BatchSource,
  operators: readonly ChainOperator[],
  context: TaskContext,
): MaybePromise<SettledChain> {
  const cut = operators.findIndex((operator) => operator.async);
  if (cut < 0) return probe(source, operators, context);
  return chainMaybe(probe(source, operators.slice(0, cut), context), (below) => {
    const stage = new AsyncStage(chainSource(below, context), operators[cut] as ChainOperator, context);
    return settleChain(stage, operators.slice(cut + 1), context);
  });
}

/** A settled chain as a source. */
export function chainSource(chain: SettledChain, context: TaskContext): BatchSource {
  const { source, operators, head } = chain;
  const rest = operators.length === 0 ? source : new FusedSource(source, operators, envOf(operators, context));
  return head.length === 0 ? rest : new PrependSource(head, rest);
}

/** Everything of a settled chain through a runner that was compiled of its operators and a sink; closes the source. */
export function runChain(chain: SettledChain, runner: ChainRunner, context: TaskContext): MaybePromise<void> {
  const { source, head } = chain;
  return withClose(
    () => source.close(),
    () => {
      for (const record of head) if (runner.accept(record)) return;
      return drain(
        source,
        () => context.checkCancelled(),
        (batch) => runner.run(batch, 0, batch.length),
      );
    },
  );
}

export function envOf(operators: readonly ChainOperator[], context: TaskContext): ChainEnv<null> {
  const sites = operators.map((operator) => operator.site);
  return {
    partition: context.partition,
    sites: [...sites, ...sites.slice(-1)],
    checkCancelled: () => context.checkCancelled(),
    sink: null,
  };
}

/** No operator of the list is declared asynchronous. */
function probe(
  source: BatchSource,
  operators: readonly ChainOperator[],
  context: TaskContext,
): MaybePromise<SettledChain> {
  if (operators.every((operator) => operator.fn === null)) return { source, operators, head: [] };
  return chainMaybe(source.next(), (batch) => {
    if (batch === null) {
      source.close();
      return { source: emptySource, operators, head: [] };
    }
    return new Probe(source, operators, context).run(batch);
  });
}

class Probe {
  /** Operators whose function was called and answered no promise. */
  #known = 0;
  #records: readonly unknown[] = [];
  #used = 0;
  constructor(
    readonly source: BatchSource,
    readonly operators: readonly ChainOperator[],
    readonly context: TaskContext,
  ) {}

  run(records: readonly unknown[]): MaybePromise<SettledChain> {
    const { operators } = this;
    this.#records = records;
    const head: unknown[] = [];
    while (this.#used < records.length && this.#known < operators.length) {
      let values: unknown[] = [records[this.#used++]];
      for (let k = 0; k < operators.length && values.length > 0; k++) {
        const next: unknown[] = [];
        for (const [i, value] of values.entries()) {
          const cut = this.#apply(k, value, next, values, i);
          if (cut !== null) return cut;
        }
        values = next;
      }
      for (const value of values) head.push(value);
    }
    const rest = new PrependSource(records.slice(this.#used), this.source);
    if (this.#known === operators.length) return { source: rest, operators, head };
    // No record came further than operator #known: those above it are looked at when one does.
    const below = operators.slice(0, this.#known);
    const lower = below.length === 0 ? rest : new FusedSource(rest, below, envOf(below, this.context));
    return probe(lower, operators.slice(this.#known), this.context);
  }

  /** Applies operator k by hand; not null: the chain is cut here. */
  #apply(
    k: number,
    record: unknown,
    out: unknown[],
    values: readonly unknown[],
    i: number,
  ): MaybePromise<SettledChain> | null {
    const operator = this.operators[k] as ChainOperator;
    const { partition } = this.context;
    const first = k >= this.#known;
    if (first) this.#known = k + 1;
    if (needsPair(operator) && (!Array.isArray(record) || record.length !== 2)) {
      throw notAPair(record, operator.site, partition);
    }
    const pair = record as readonly [unknown, unknown];
    const argument = operator.op === "mapValues" || operator.op === "flatMapValues" ? pair[1] : record;
    try {
      const result = operator.fn === null ? undefined : operator.fn(argument);
      if (first && isThenable(result)) return this.#cutAsync(k, values, result);
      switch (operator.op) {
        case "map":
          out.push(result);
          return null;
        case "filter":
          if (result) out.push(record);
          return null;
        case "keyBy":
          out.push([result, record]);
          return null;
        case "mapValues":
          out.push([pair[0], result]);
          return null;
        case "keys":
          out.push(pair[0]);
          return null;
        case "values":
          out.push(pair[1]);
          return null;
        case "asKey":
          out.push([record, null]);
          return null;
        case "joinPairs": {
          const [left, right] = pair[1] as [unknown[], unknown[]];
          for (const l of left) for (const r of right) out.push([pair[0], [l, r]]);
          return null;
        }
        default: {
          const iterator = iteratorOf(result, operator.site, partition);
          const keyed = operator.op === "flatMapValues" ? keyedIterator(pair[0], iterator) : iterator;
          // A generator may be long or endless: it is read as it is asked for.
          if (first && !Array.isArray(result)) return this.#cutIterator(k, values, i, keyed);
          for (let step = keyed.next(); step.done !== true; step = keyed.next()) out.push(step.value);
          return null;
        }
      }
    } catch (error) {
      throw operatorFailure(error, operator.site, partition);
    }
  }

  /** `values` stand before operator k; the first of them was just given to it and answered a promise. */
  #cutAsync(k: number, values: readonly unknown[], result: unknown): MaybePromise<SettledChain> {
    const rest = this.#behind(values.slice(1), k);
    const operator = this.operators[k] as ChainOperator;
    const stage = new AsyncStage(rest, operator, this.context, { record: values[0], result });
    return settleChain(stage, this.operators.slice(k + 1), this.context);
  }

  #cutIterator(
    k: number,
    values: readonly unknown[],
    i: number,
    iterator: Iterator<unknown>,
  ): MaybePromise<SettledChain> {
    const through = this.operators.slice(k, k + 1);
    const others = new FusedSource(this.#behind(values.slice(i + 1), k), through, envOf(through, this.context));
    const { site } = this.operators[k] as ChainOperator;
    const lower = new ConcatSource([
      () => new IteratorSource(wrapErrors(iterator, (error) => operatorFailure(error, site, this.context.partition))),
      () => others,
    ]);
    return probe(closing(lower, others), this.operators.slice(k + 1), this.context);
  }

  /** What stands before operator k: `values`, then the rest of the source through the operators below. */
  #behind(values: readonly unknown[], k: number): BatchSource {
    const unread = new PrependSource(this.#records.slice(this.#used), this.source);
    const below = this.operators.slice(0, k);
    const rest = below.length === 0 ? unread : new FusedSource(unread, below, envOf(below, this.context));
    if (values.length === 0) return rest;
    return closing(new ConcatSource([() => new ArraySource(values), () => rest]), rest);
  }
}

function needsPair(operator: ChainOperator): boolean {
  switch (operator.op) {
    case "mapValues":
    case "flatMapValues":
    case "keys":
    case "values":
    case "joinPairs":
      return true;
    default:
      return false;
  }
}

/** `source`, whose end also closes `below` when the consumer stops before it was opened. */
function closing(source: BatchSource, below: BatchSource): BatchSource {
  let closed = false;
  return {
    next: () => source.next(),
    close: () => {
      if (closed) return;
      closed = true;
      source.close();
      below.close();
    },
  };
}

function* keyedIterator(key: unknown, values: Iterator<unknown>): Generator<unknown, void, void> {
  for (let step = values.next(); step.done !== true; step = values.next()) yield [key, step.value];
}

function wrapErrors(iterator: Iterator<unknown>, wrap: (error: unknown) => unknown): Iterator<unknown> {
  return {
    next: () => {
      try {
        return iterator.next();
      } catch (error) {
        throw wrap(error);
      }
    },
    return: () => iterator.return?.() ?? { done: true, value: undefined },
  };
}
