// treeReduce and treeAggregate: partial results of neighbouring partitions are put together in tasks, level by level, so that
// the driver folds a few of them only. Neighbours stay neighbours and are folded in order: float sums repeat to the last bit.

import { requireCount } from "../../session/arguments.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";
import { emptyCollection } from "./collect.js";
import { combine } from "./combine.js";
import { type ActionOptions, runAction } from "./run-action.js";

type Fold = (left: unknown, right: unknown) => unknown;
type Records = Iterable<unknown>;

/** Levels are added until the driver has at most this many times the partials that a level's tasks have (Spark's rule). */
const MAX_DEPTH = 32;

export async function treeReduce(
  at: Operand,
  fn: unknown,
  depth: unknown,
  options: ActionOptions | undefined,
): Promise<unknown> {
  at.captureSync("fn", fn);
  const partials = at.narrow({ op: "mapPartitionsWithIndex", fn: at.capture("fn", reduced(fn as Fold)) });
  const found = await throughTree(at, partials, fn, depth, options);
  if (found === null) throw emptyCollection(at);
  return found.value;
}

export async function treeAggregate(
  at: Operand,
  zero: unknown,
  seq: unknown,
  comb: unknown,
  depth: unknown,
  options: ActionOptions | undefined,
): Promise<unknown> {
  at.captureSync("seq", seq);
  at.captureSync("comb", comb);
  // A copy for the driver, taken before any function can change what was given.
  const { bytes } = at.session.values.value(zero, at.method);
  const fn = at.capture("seq", aggregated(zero, seq as Fold));
  const partials = at.narrow({ op: "mapPartitionsWithIndex", fn });
  const found = await throughTree(at, partials, comb, depth, options);
  return found === null ? at.session.values.decode(bytes) : found.value;
}

async function throughTree(
  at: Operand,
  partials: NodeHandle,
  fn: unknown,
  depth: unknown,
  options: ActionOptions | undefined,
): Promise<{ readonly value: unknown } | null> {
  const levels = depth === undefined ? 2 : requireCount(at.method, "depth", depth, 1, MAX_DEPTH);
  // The place in the user's program is looked up while the method is still on the stack.
  const place = at.on(partials);
  let partitions = await at.session.countPartitions(partials);
  const scale = Math.max(2, Math.ceil(partitions ** (1 / levels)));
  let level = place;
  while (partitions > scale + Math.ceil(partitions / scale)) {
    const next = Math.ceil(partitions / scale);
    const keyed = level.on(level.narrow({ op: "mapPartitionsWithIndex", fn: level.capture("fn", numbered(scale)) }));
    const partitioner = { kind: "custom", partitions: next, fn: level.capture("fn", itself) } as const;
    const merged = combine(keyed, partitioner, { kind: "reduce", merge: level.captureSync("fn", fn) });
    level = level.on(level.on(merged).narrow({ op: "values" }));
    partitions = next;
  }
  let found: { readonly value: unknown } | null = null;
  await runAction(level, { kind: "collect", limit: null }, options, () => {
    found = null;
    return (records) => {
      for (const record of records) found = { value: found === null ? record : (fn as Fold)(found.value, record) };
    };
  });
  return found;
}

function reduced(fn: Fold) {
  return (_partition: number, records: Records): unknown[] => {
    let found: unknown[] = [];
    for (const record of records) found = [found.length === 0 ? record : fn(found[0], record)];
    return found;
  };
}

function aggregated(zero: unknown, seq: Fold) {
  return (_partition: number, records: Records): unknown[] => {
    // A partition's own copy: seq may change what it is given.
    let total: unknown = structuredClone(zero);
    for (const record of records) total = seq(total, record);
    return [total];
  };
}

function numbered(scale: number) {
  return (partition: number, records: Records): unknown[] =>
    Array.from(records, (record) => [Math.floor(partition / scale), record]);
}

function itself(partition: number): number {
  return partition;
}
