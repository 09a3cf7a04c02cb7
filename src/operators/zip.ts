// Partitions side by side: zip pairs their records, zipPartitions gives them to a function of the user's, an index numbers
// them. Each side is pulled one record at a time, so that no partition is held; a side below which an asynchronous function
// runs is read to its end first.

import { decodeValue } from "../codec/stream.js";
import { MillraceError } from "../core/errors.js";
import { formatCallSite } from "../plan/function.js";
import type { FragmentNode } from "../plan/stages.js";
import { chainMaybe, IteratorSource, isPromise, LazySource } from "./batches.js";
import type { UserFunction } from "./chain/chain-code.js";
import { callResult, pullable } from "./map-partitions.js";
import type { BatchSource, MaybePromise, TaskContext } from "./task-context.js";

/** One parent's partition. */
export interface Side {
  readonly source: BatchSource;
  /** An asynchronous function may stand below it. */
  readonly gather: boolean;
}

export function zippedSource(sides: readonly Side[], node: FragmentNode, context: TaskContext): BatchSource {
  const fn = node.fn === undefined || node.fn === null ? null : (context.revive(node.fn) as UserFunction);
  const open = (): MaybePromise<BatchSource> =>
    chainMaybe(pullAll(sides, context), (pulled) => {
      if (fn === null) return new IteratorSource(pairsOf(pulled, node, context.partition));
      return callResult(() => fn(...pulled, context.signal), node.callSite, context.partition);
    });
  const source = new LazySource(open);
  return {
    next: () => source.next(),
    close: () => {
      source.close();
      for (const side of sides) side.source.close();
    },
  };
}

/** [record, number]: counted over all partitions, or for unique numbers by turns. */
export function indexedSource(
  below: BatchSource,
  node: FragmentNode,
  partition: number,
  context: TaskContext,
): BatchSource {
  const { counts, unique } = node.index as NonNullable<FragmentNode["index"]>;
  const step = unique ? node.partitions : 1;
  let next: number | null = null;
  const first = () => {
    if (unique) return partition;
    if (counts === null) return 0;
    const before = context.value(counts).slice(0, partition);
    return before.reduce((sum, bytes) => sum + (decodeValue(bytes, context.classes) as number), 0);
  };
  return {
    next: () =>
      chainMaybe(below.next(), (batch) => {
        if (batch === null) return null;
        let at = next ?? first();
        const numbered: unknown[] = [];
        for (const record of batch) {
          numbered.push([record, at]);
          at += step;
        }
        next = at;
        return numbered;
      }),
    close: () => below.close(),
  };
}

function pullAll(sides: readonly Side[], context: TaskContext): MaybePromise<Iterable<unknown>[]> {
  const pulled: Iterable<unknown>[] = [];
  const pull = (at: number): MaybePromise<Iterable<unknown>[]> => {
    const side = sides[at];
    if (side === undefined) return pulled;
    const records = pullable(side.source, context, side.gather);
    const add = (one: Iterable<unknown>) => {
      pulled.push(one);
      return pull(at + 1);
    };
    return isPromise(records) ? records.then(add) : add(records);
  };
  return pull(0);
}

function* pairsOf(sides: readonly Iterable<unknown>[], node: FragmentNode, partition: number): Generator<unknown> {
  const [left, right] = sides.map((side) => side[Symbol.iterator]()) as [Iterator<unknown>, Iterator<unknown>];
  for (let count = 0; ; count++) {
    const [one, other] = [left.next(), right.next()];
    if (one.done === true && other.done === true) return;
    if (one.done === true || other.done === true) {
      const [shorter, longer] = one.done === true ? ["first", "second"] : ["second", "first"];
      throw new MillraceError(
        "PARTITIONS_DIFFER",
        `${formatCallSite(node.callSite)}: partition ${partition} of the ${shorter} RDD has ${count} records, that of the ${longer} has more; zip needs as many of both (zipPartitions does not)`,
        { fields: { operator: formatCallSite(node.callSite), partition, records: count } },
      );
    }
    yield [one.value, other.value];
  }
}
