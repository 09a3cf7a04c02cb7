// A partition of a node as it is handed out: a source, and the operators above it that the consumer compiles into one loop with
// its sink. Who only wants records gets them by `recordsOf`.

import type { NodeId } from "../../core/ids.js";
import { chainMaybe, LazySource } from "../batches.js";
import type { BatchSource, TaskContext } from "../task-context.js";
import type { ChainOperator } from "./chain-code.js";
import { chainSource, settleChain } from "./settle.js";

/** A source and the operators above it that can be compiled into the consumer's loop. */
export interface OpenChain {
  readonly source: BatchSource;
  readonly operators: readonly ChainOperator[];
}

/** What opens the nodes of a fragment for sources that read other nodes: the evaluator. */
export interface NodeOpener {
  readonly context: TaskContext;
  /** The partition as a source and its open chain. */
  openChain(id: NodeId, partition: number): OpenChain;
  /** The partition as a source of its records. */
  open(id: NodeId, partition: number): BatchSource;
}

export function recordsOf({ source, operators }: OpenChain, context: TaskContext): BatchSource {
  if (operators.length === 0) return source;
  const lazy = new LazySource(() =>
    chainMaybe(settleChain(source, operators, context), (chain) => chainSource(chain, context)),
  );
  return closingBoth(lazy, source);
}

function closingBoth(source: BatchSource, below: BatchSource): BatchSource {
  return {
    next: () => source.next(),
    close: () => {
      source.close();
      below.close();
    },
  };
}
