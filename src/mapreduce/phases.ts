// The two phases as functions of whole partitions, which travel to the tasks with the user's functions in them. The map phase
// combines in a table of bounded size; the reduce phase walks sorted pairs and calls the user once a group.

import { KeyMap } from "../codec/key-map.js";
import { hashKey, keysEqual } from "../codec/keys.js";
import { CollectingContext, type Shared, type Written } from "./contexts.js";
import { TASK_COUNTERS } from "./counters.js";

type Records = Iterable<unknown>;
type Write = (key: unknown, values: Iterable<unknown>, context: CollectingContext) => unknown;

/** How a pair finds its reducer, its place there and its group. */
export interface Placement {
  readonly reducers: number;
  readonly partition: ((key: unknown, reducers: number) => number) | null;
  readonly sort: ((key: unknown) => unknown) | null;
  readonly group: ((key: unknown) => unknown) | null;
}

export interface MapPhase {
  /** Called once a task. */
  readonly mapper: (context: CollectingContext) => {
    map(record: unknown, context: CollectingContext): unknown;
    cleanup?(context: CollectingContext): unknown;
  };
  readonly combine: Write | null;
  /** null: no reducers, what is written is the output. */
  readonly placement: Placement | null;
  readonly shared: Shared;
}

export interface ReducePhase {
  /** Called once a task. */
  readonly reducer: (context: CollectingContext) => {
    reduce: Write;
    cleanup?(context: CollectingContext): unknown;
  };
  readonly group: ((key: unknown) => unknown) | null;
  readonly shared: Shared;
}

/** Pairs held before they are combined. */
const COMBINE_PAIRS = 100_000;

/**
 * A pair on its way: [[reducer, 0, sort key], [key, value]]. What goes to another output passes the reduce function by behind
 * the others: [[reducer, 1, output], [key, value]].
 */
export type Routed = readonly [readonly [reducer: number, aside: 0 | 1, at: unknown], readonly [unknown, unknown]];

export function mapPhase({ mapper: open, combine, placement, shared }: MapPhase) {
  return function* (partition: number, records: Records): Generator<Routed> {
    const context = new CollectingContext(partition, shared);
    const table = new KeyMap<unknown[]>();
    let held = 0;
    // Plain numbers while records go by: a counter is a look-up in a map.
    const counted = { inputs: 0, outputs: 0, combineInputs: 0, combineOutputs: 0 };
    const route = ([output, key, value]: Written): Routed => {
      if (output !== "")
        return [
          [placement === null ? 0 : partition % placement.reducers, 1, output],
          [key, value],
        ];
      if (placement === null)
        return [
          [0, 0, null],
          [key, value],
        ];
      const grouped = placement.group === null ? key : placement.group(key);
      const reducer =
        placement.partition === null
          ? hashKey(grouped) % placement.reducers
          : placement.partition(key, placement.reducers);
      if (!Number.isInteger(reducer) || reducer < 0 || reducer >= placement.reducers)
        throw new RangeError(
          `partition gave ${String(reducer)}, an integer from 0 to ${placement.reducers - 1} was due`,
        );
      return [
        [reducer, 0, placement.sort === null ? key : placement.sort(key)],
        [key, value],
      ];
    };
    const combined = function* (combining: Write): Generator<Routed> {
      for (const [key, values] of table.entries()) {
        counted.combineInputs += values.length;
        combining(key, values, context);
        for (const one of context.take()) {
          counted.combineOutputs++;
          yield route(one);
        }
      }
      table.clear();
      held = 0;
    };
    const told = function* (): Generator<Routed> {
      for (const one of context.take()) {
        if (one[0] === "") counted.outputs++;
        if (combine === null || one[0] !== "") {
          yield route(one);
          continue;
        }
        const values = table.get(one[1]);
        if (values === undefined) table.set(one[1], [one[2]]);
        else values.push(one[2]);
        if (++held >= COMBINE_PAIRS) yield* combined(combine);
      }
    };
    const mapper = open(context);
    for (const record of records) {
      counted.inputs++;
      mapper.map(record, context);
      if (context.written.length > 0) yield* told();
    }
    mapper.cleanup?.(context);
    yield* told();
    if (combine !== null) yield* combined(combine);
    context.count(TASK_COUNTERS, "Map input records", counted.inputs);
    context.count(TASK_COUNTERS, "Map output records", counted.outputs);
    if (combine !== null) {
      context.count(TASK_COUNTERS, "Combine input records", counted.combineInputs);
      context.count(TASK_COUNTERS, "Combine output records", counted.combineOutputs);
    }
    context.finish();
  };
}

export function reducePhase({ reducer: open, group, shared }: ReducePhase) {
  return function* (partition: number, records: Records): Generator<Written> {
    const context = new CollectingContext(partition, shared);
    const pairs = (records as Iterable<Routed>)[Symbol.iterator]();
    const counted = { inputs: 0, groups: 0, outputs: 0 };
    const told = function* (): Generator<Written> {
      for (const one of context.take()) {
        if (one[0] === "") counted.outputs++;
        yield one;
      }
    };
    const reducer = open(context);
    let next = pairs.next();
    while (next.done !== true && next.value[0][1] === 0) {
      const [key] = next.value[1];
      const groupKey = group === null ? key : group(key);
      let current = true;
      const values = (function* () {
        while (current && next.done !== true && next.value[0][1] === 0) {
          const [other, value] = next.value[1];
          if (!keysEqual(group === null ? other : group(other), groupKey)) return;
          counted.inputs++;
          next = pairs.next();
          yield value;
        }
      })();
      counted.groups++;
      const returned = reducer.reduce(key, values, context);
      // A generator function writes as it goes.
      if (isIterator(returned)) {
        for (const pair of returned) {
          const [k, v] = pair as readonly [unknown, unknown];
          context.write(k, v);
          yield* told();
        }
      }
      yield* told();
      // What the function has not read is passed over.
      for (const _ of values);
      current = false;
    }
    reducer.cleanup?.(context);
    yield* told();
    for (; next.done !== true; next = pairs.next()) {
      const [[, , output], [key, value]] = next.value;
      yield [String(output), key, value];
    }
    context.count(TASK_COUNTERS, "Reduce input records", counted.inputs);
    context.count(TASK_COUNTERS, "Reduce input groups", counted.groups);
    context.count(TASK_COUNTERS, "Reduce output records", counted.outputs);
    context.finish();
  };
}

function isIterator(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}
