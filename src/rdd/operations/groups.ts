// Operations on two RDDs of pairs that look at the groups of a cogroup: outer joins, and what is in one but not in the other.
// Records that must be compared whole become keys first. The functions given to the plan are plain and self-contained: they
// run in tasks like a user's.

import type { NodeHandle } from "../../session/lineage-store.js";
import type { Dataset, Operand } from "../operand.js";
import type { Partitioning } from "../partitioner.js";
import { partitionerSpec } from "../partitioner.js";
import { cogroup } from "./cogroup.js";
import { combine } from "./combine.js";

type Groups = readonly [unknown, readonly [Iterable<unknown>, Iterable<unknown>]];

/** `missing`: what stands where the other side has no value for a key. */
export type OuterSide = "left" | "right" | "full";

export function outerJoin<K>(
  at: Operand,
  other: Dataset,
  side: OuterSide,
  partitions: Partitioning<K> | undefined,
): NodeHandle {
  const pair = side === "left" ? leftPairs : side === "right" ? rightPairs : fullPairs;
  return at.on(cogroup(at, [other], partitions)).narrow({ op: "flatMap", fn: at.capture("other", pair) }, true);
}

/** Pairs whose key `other` does not have. */
export function subtractByKey<K>(at: Operand, other: Dataset, partitions: Partitioning<K> | undefined): NodeHandle {
  return at.on(cogroup(at, [other], partitions)).narrow({ op: "flatMap", fn: at.capture("other", unmatched) }, true);
}

/** Records that `other` does not have, duplicates kept. */
export function subtract(at: Operand, other: Dataset, partitions: unknown): NodeHandle {
  return asKeys(at, other, partitions).narrow({ op: "flatMap", fn: at.capture("other", onlyLeft) });
}

/** Each record that both have, once. */
export function intersection(at: Operand, other: Dataset, partitions: unknown): NodeHandle {
  return asKeys(at, other, partitions).narrow({ op: "flatMap", fn: at.capture("other", inBoth) });
}

export function groupBy<K>(at: Operand, fn: unknown, partitions: Partitioning<K> | undefined): NodeHandle {
  const keyed = at.on(at.narrow({ op: "keyBy", fn: at.captureSync("fn", fn) }));
  return combine(keyed, partitionerSpec(keyed, partitions), { kind: "group" }, false);
}

function asKeys(at: Operand, other: Dataset, partitions: unknown): Operand {
  const right = at.on(at.on(at.other("other", other)).narrow({ op: "asKey" }));
  const left = at.on(at.narrow({ op: "asKey" }));
  const partitioner = partitionerSpec(at, partitions as number | undefined);
  const parents = [left.node, right.node];
  return at.on(at.add({ kind: "cogroup", parents: parents.map((parent) => parent.node.id), partitioner }, parents));
}

function* leftPairs([key, [left, right]]: Groups): Generator<unknown> {
  for (const one of left) {
    let any = false;
    for (const other of right) {
      any = true;
      yield [key, [one, other]];
    }
    if (!any) yield [key, [one, undefined]];
  }
}

function* rightPairs([key, [left, right]]: Groups): Generator<unknown> {
  let any = false;
  for (const one of left) {
    any = true;
    for (const other of right) yield [key, [one, other]];
  }
  if (!any) for (const other of right) yield [key, [undefined, other]];
}

function* fullPairs([key, [left, right]]: Groups): Generator<unknown> {
  let some = false;
  for (const one of left) {
    some = true;
    let any = false;
    for (const other of right) {
      any = true;
      yield [key, [one, other]];
    }
    if (!any) yield [key, [one, undefined]];
  }
  if (!some) for (const other of right) yield [key, [undefined, other]];
}

function* unmatched([key, [left, right]]: Groups): Generator<unknown> {
  for (const _ of right) return;
  for (const one of left) yield [key, one];
}

function* onlyLeft([record, [left, right]]: Groups): Generator<unknown> {
  for (const _ of right) return;
  for (const _ of left) yield record;
}

function* inBoth([record, [left, right]]: Groups): Generator<unknown> {
  for (const _ of left) {
    for (const __ of right) {
      yield record;
      return;
    }
    return;
  }
}
