// An input of pairs as columns of keys and of values, in canonical order: frames of a shuffle as they were encoded, records of a
// node in the same stage taken apart.

import { decodePairs } from "../codec/pairs.js";
import type { CallSite } from "../plan/function.js";
import type { FragmentInput, FragmentNode } from "../plan/stages.js";
import { drain, isPromise } from "./batches.js";
import type { NodeOpener } from "./chain/open-chain.js";
import type { MapRange, MaybePromise, TaskContext } from "./task-context.js";
import { notAPair } from "./user-errors.js";

/** An input of which some map outputs may be all that is read. */
export type PartialInput = FragmentInput & { readonly range?: MapRange };

type AddColumns = (keys: ArrayLike<unknown>, values: ArrayLike<unknown>) => void;

/** All pairs of an input of `node` to `add`. */
export function feedPairs(
  node: FragmentNode,
  input: PartialInput,
  partition: number,
  opener: NodeOpener,
  add: AddColumns,
): MaybePromise<void> {
  const { context } = opener;
  if (input.kind === "shuffle") {
    feedFrames(input, partition, context, add);
    return;
  }
  const source = opener.open(input.node, partition);
  const drained = drain(
    source,
    () => context.checkCancelled(),
    (batch) => {
      const keys: unknown[] = [];
      const values: unknown[] = [];
      for (const record of batch) {
        const [key, value] = pairOf(record, node.callSite, context.partition);
        keys.push(key);
        values.push(value);
      }
      add(keys, values);
      return false;
    },
  );
  return isPromise(drained) ? drained.finally(() => source.close()) : source.close();
}

export function feedFrames(
  input: PartialInput & { readonly kind: "shuffle" },
  partition: number,
  context: TaskContext,
  add: AddColumns,
): void {
  const frames = context.openShuffle(input.shuffle, partition, input.range);
  try {
    for (let next = frames.next(); next !== null; next = frames.next()) {
      context.checkCancelled();
      const { keys, values } = decodePairs(next.frame, next.schemas, context.classes);
      context.metrics.shuffleReadRecords += keys.length;
      add(keys, values);
    }
  } finally {
    frames.close();
  }
}

function pairOf(record: unknown, site: CallSite, partition: number): readonly [unknown, unknown] {
  if (!Array.isArray(record) || record.length !== 2) throw notAPair(record, site, partition);
  return record as unknown as readonly [unknown, unknown];
}
