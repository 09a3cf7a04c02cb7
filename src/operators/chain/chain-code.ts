// Writes the one loop of a narrow chain: records go from an input batch through every operator straight into the sink,
// with no array and no closure call between. A chain is compiled once per shape and functions; the text names them, so
// that two plans never share a compiled function and every call site in it keeps calling one user function.
//
// Between operators the current record is either one expression or a pair of expressions (key, value): an operator that
// makes a pair does not make an array unless somebody above asks for the record itself.
//
// `at` tells which operator runs. It is a register that the exception handler reads, so it costs nothing a record.

import type { CallSite } from "../../plan/function.js";
import type { Operator, WholeOperator } from "../../plan/lineage.js";
import { takeFrom } from "../batches.js";
import { notAPair, operatorFailure, wrongShape } from "../user-errors.js";

export type UserFunction = (...args: unknown[]) => unknown;

/** One operator of a chain with its live function. */
export interface ChainOperator {
  readonly op: Exclude<Operator["op"], WholeOperator>;
  readonly fn: UserFunction | null;
  /** Content hash of the function, "" without one. */
  readonly hash: string;
  readonly async: boolean;
  readonly site: CallSite;
}

/**
 * Where the loop puts its records. The texts may use `env` (ChainEnv.sink) and what `setup` declares; a sink that has enough
 * says END_ITERATORS, then `return true;`.
 */
export interface SinkCode {
  /** Part of the cache key: equal names have equal texts. */
  readonly name: string;
  /** Declarations made once per task, before the loop. */
  readonly setup: string;
  /** Declarations made once per compiled chain: what its tasks, one after the other in this thread, leave to the next. */
  readonly shared?: string;
  /** Statement that takes the record `x`; null: the sink needs pairs. */
  readonly record: ((x: string) => string) | null;
  /** Statement that takes a pair; null: the sink takes whole records only. */
  readonly pair: ((k: string, v: string) => string) | null;
  /** Members of the object that the factory returns, beside `run`. */
  readonly members?: string;
}

export interface ChainEnv<S> {
  readonly partition: number;
  /** Call site of each operator, then that of the sink. */
  readonly sites: readonly CallSite[];
  checkCancelled(): void;
  readonly sink: S;
}

/** In a sink's text: closes the iterators that flatMap functions returned and that are still being read. */
export const END_ITERATORS = "/*end iterators*/";

/** A compiled chain bound to one task. */
export interface ChainRunner {
  /** Takes records [from, to) of a batch; true: the sink wants no more. */
  run(batch: readonly unknown[], from: number, to: number): boolean;
  /** Gives the sink one record that went through the operators already; true: the sink wants no more. */
  accept(record: unknown): boolean;
}

type Factory = (functions: readonly (UserFunction | null)[], helpers: Helpers) => ChainRunner;

interface Helpers {
  readonly env: unknown;
  check(): void;
  fail(error: unknown, at: number): never;
  notPair(record: unknown, at: number): never;
  iterator(value: unknown, at: number): Iterator<unknown>;
  chunk(iterator: Iterator<unknown>, previous: number): unknown[] | null;
  end(iterator: Iterator<unknown> | null): void;
}

/** Compiled chains that are kept, least recently used first out. */
const CACHE_ENTRIES = 512;
const cache = new Map<string, Factory>();
let compiled = 0;

/**
 * The chain's loop for one task. `R` is what the sink's `members` make of the result. `identity` names what the sink's
 * own text depends on beside its name (the functions of an aggregator).
 */
export function compileChain<S, R = object>(
  operators: readonly ChainOperator[],
  sink: SinkCode,
  env: ChainEnv<S>,
  identity = "",
): ChainRunner & R {
  const key = `${operators.map((o) => `${o.op}:${o.hash}`).join(">")}>${sink.name}|${identity}`;
  let factory = cache.get(key);
  if (factory === undefined) {
    factory = compileText(chainText(operators, sink));
    if (cache.size >= CACHE_ENTRIES) cache.delete(cache.keys().next().value as string);
  } else {
    cache.delete(key);
  }
  cache.set(key, factory);
  const functions = operators.map((o) => o.fn);
  return factory(functions, helpersFor(env)) as ChainRunner & R;
}

/** Exported for tests and for a look at what runs. */
export function chainText(operators: readonly ChainOperator[], sink: SinkCode): string {
  const writer = new ChainWriter(operators, sink);
  const body = writer.step(0, { record: "x" });
  const functions = operators.map((o, i) => (o.fn === null ? "" : `  const f${i} = functions[${i}];\n`)).join("");
  const iterators = operators.flatMap((o, i) => (o.op === "flatMap" || o.op === "flatMapValues" ? [`it${i}`] : []));
  const declared = iterators.map((it) => `, ${it} = null`).join("");
  const end = iterators.map((it) => `helpers.end(${it});`).join(" ");
  return `"use strict";
${sink.shared ?? ""}return function millraceChain(functions, helpers) {
  const env = helpers.env;
${functions}${sink.setup}
  let ticks = 0;
  function run(batch, from, to) {
    let at = 0${declared};
    try {
      for (let i = from; i < to; i++) {
        const x = batch[i];
${body.replaceAll(END_ITERATORS, end)}
      }
    } catch (error) {
      try { ${end} } finally { helpers.fail(error, at); }
    }
    return false;
  }
  function accept(x) {
    let at = 0;
    try {
${writer.step(operators.length, { record: "x" }).replaceAll(END_ITERATORS, "")}
    } catch (error) { helpers.fail(error, at); }
    return false;
  }
  return { run, accept, ${sink.members ?? ""} };
};`;
}

/** What the current record is called: a record, or a pair of which no array exists yet (or both names of one). */
type Current = { readonly record: string } | { readonly key: string; readonly value: string };

class ChainWriter {
  #names = 0;
  constructor(
    readonly operators: readonly ChainOperator[],
    readonly sink: SinkCode,
  ) {}

  step(index: number, current: Current): string {
    const operator = this.operators[index];
    if (operator === undefined) return this.#sink(index, current);
    const mark = `at = ${index};`;
    const call = (argument: string) => `f${index}(${argument})`;
    const name = this.#name();
    switch (operator.op) {
      case "map":
        return `${mark} const ${name} = ${call(recordOf(current))};\n${this.step(index + 1, { record: name })}`;
      case "filter":
        return this.#filter(index, current, mark, call);
      case "flatMap":
        return this.#each(index, `${mark} const ${name} = ${call(recordOf(current))};`, name, (item) =>
          this.step(index + 1, { record: item }),
        );
      case "keyBy": {
        const whole = this.#bind(current);
        return `${whole.text}${mark} const ${name} = ${call(whole.record)};\n${this.step(index + 1, { key: name, value: whole.record })}`;
      }
      case "asKey": {
        const whole = this.#bind(current);
        return `${whole.text}${this.step(index + 1, { key: whole.record, value: "null" })}`;
      }
      case "mapValues": {
        const pair = this.#pair(index, current);
        return `${pair.text}${mark} const ${name} = ${call(pair.value)};\n${this.step(index + 1, { key: pair.key, value: name })}`;
      }
      case "flatMapValues": {
        const pair = this.#pair(index, current);
        return `${pair.text}${this.#each(index, `${mark} const ${name} = ${call(pair.value)};`, name, (item) =>
          this.step(index + 1, { key: pair.key, value: item }),
        )}`;
      }
      case "keys": {
        const pair = this.#pair(index, current);
        return `${pair.text}${this.step(index + 1, { record: pair.key })}`;
      }
      case "values": {
        const pair = this.#pair(index, current);
        return `${pair.text}${this.step(index + 1, { record: pair.value })}`;
      }
      case "joinPairs":
        return this.#join(index, current);
    }
  }

  #filter(index: number, current: Current, mark: string, call: (argument: string) => string): string {
    const whole = this.#bind(current);
    return `${whole.text}${mark} if (${call(whole.record)}) {\n${this.step(index + 1, { record: whole.record })}\n}`;
  }

  /** A loop over what a function returned: an array by index, else an iterator in chunks; cancel is looked at every 1,024. */
  #each(index: number, open: string, returned: string, body: (item: string) => string): string {
    const [array, iterator, j, stop, item] = ["a", "t", "j", "s", "e"].map((prefix) => `${prefix}${this.#name()}`) as [
      string,
      string,
      string,
      string,
      string,
    ];
    return `${open}
let ${iterator} = null, ${array} = ${returned};
if (!Array.isArray(${returned})) { it${index} = ${iterator} = helpers.iterator(${returned}, ${index}); ${array} = helpers.chunk(${iterator}, 0); }
while (${array} !== null) {
  for (let ${j} = 0, ${stop} = 0; ${j} < ${array}.length; ) {
    ${stop} = ${j} + 1024 < ${array}.length ? ${j} + 1024 : ${array}.length;
    ticks += ${stop} - ${j};
    if (ticks >= 1024) { ticks = 0; helpers.check(); }
    for (; ${j} < ${stop}; ${j}++) {
      const ${item} = ${array}[${j}];
${body(item)}
    }
  }
  if (${iterator} === null) break;
  at = ${index}; ${array} = helpers.chunk(${iterator}, ${array}.length);
}
it${index} = null;`;
  }

  #join(index: number, current: Current): string {
    const pair = this.#pair(index, current);
    const [left, right, i, j] = ["l", "r", "i", "j"].map((prefix) => `${prefix}${this.#name()}`) as [
      string,
      string,
      string,
      string,
    ];
    return `${pair.text}let ${left} = ${pair.value}[0], ${right} = ${pair.value}[1];
if (!Array.isArray(${left})) ${left} = ${left}.toArray();
if (!Array.isArray(${right})) ${right} = ${right}.toArray();
for (let ${i} = 0; ${i} < ${left}.length; ${i}++) {
  ticks += ${right}.length;
  for (let ${j} = 0; ${j} < ${right}.length; ${j}++) {
    if (ticks >= 1024 && (${j} & 1023) === 0) { ticks = 0; helpers.check(); }
${this.step(index + 1, { key: pair.key, value: `[${left}[${i}], ${right}[${j}]]` })}
  }
}`;
  }

  #sink(index: number, current: Current): string {
    const mark = `at = ${index};`;
    if (this.sink.pair !== null && ("key" in current || this.sink.record === null)) {
      const pair = this.#pair(index, current);
      return `${pair.text}${mark} ${this.sink.pair(pair.key, pair.value)}`;
    }
    const record = this.sink.record as (x: string) => string;
    return `${mark} ${record(recordOf(current))}`;
  }

  /** The record under one name, its array made once. */
  #bind(current: Current): { readonly text: string; readonly record: string } {
    if ("record" in current) return { text: "", record: current.record };
    const name = this.#name();
    return { text: `const ${name} = ${recordOf(current)};\n`, record: name };
  }

  #pair(index: number, current: Current): { readonly text: string; readonly key: string; readonly value: string } {
    if ("key" in current) {
      const value = this.#name();
      return { text: `const ${value} = ${current.value};\n`, key: current.key, value };
    }
    const { record } = current;
    const key = this.#name();
    const value = this.#name();
    const text = `if (!Array.isArray(${record}) || ${record}.length !== 2) helpers.notPair(${record}, ${index});
const ${key} = ${record}[0], ${value} = ${record}[1];\n`;
    return { text, key, value };
  }

  #name(): string {
    return `n${this.#names++}`;
  }
}

function recordOf(current: Current): string {
  return "record" in current ? current.record : `[${current.key}, ${current.value}]`;
}

/** The counter in the text keeps V8's compilation cache from giving two chains one function with shared type feedback. */
function compileText(text: string): Factory {
  compiled++;
  const make = new Function(`${text}\n//# sourceURL=millrace-chain-${compiled}.js`) as () => Factory;
  return make();
}

function helpersFor<S>(env: ChainEnv<S>): Helpers {
  const siteOf = (at: number) => env.sites[at] as CallSite;
  return {
    env: env.sink,
    check: () => env.checkCancelled(),
    fail(error, at) {
      if (at < 0) throw operatorFailure(error, env.sites.at(-1) as CallSite, env.partition);
      throw operatorFailure(error, siteOf(at), env.partition);
    },
    notPair(record, at) {
      throw notAPair(record, siteOf(at), env.partition);
    },
    iterator(value, at) {
      return iteratorOf(value, siteOf(at), env.partition);
    },
    chunk(iterator, previous) {
      const chunk = takeFrom(iterator, previous === 0 ? 32 : Math.min(1024, previous * 2));
      return chunk.length === 0 ? null : chunk;
    },
    end: (iterator) => {
      iterator?.return?.();
    },
  };
}

/** The iterator of what a flatMap function returned, or WRONG_SHAPE: for a string too, whose characters are hardly meant. */
export function iteratorOf(value: unknown, site: CallSite, partition: number): Iterator<unknown> {
  if (typeof value === "string")
    throw wrongShape(
      "an iterable that is no string ([text] for one record, [...text] for characters)",
      value,
      site,
      partition,
    );
  const make =
    value === null || value === undefined ? undefined : (value as Partial<Iterable<unknown>>)[Symbol.iterator];
  if (typeof make !== "function") throw wrongShape("an iterable", value, site, partition);
  return make.call(value);
}
