// What has the same key put together: the sources of combine and cogroup, and of a join, which pairs the groups of a cogroup
// without making them. Nothing is read before the first batch is asked for; what a table holds is given back when its source is
// closed or fails.

import type { Aggregator } from "../plan/lineage.js";
import type { FragmentInput, FragmentNode } from "../plan/stages.js";
import { ConcatSource, chainMaybe, isPromise, LazySource } from "./batches.js";
import type { ChainOperator } from "./chain/chain-code.js";
import type { NodeOpener } from "./chain/open-chain.js";
import { runChain, settleChain } from "./chain/settle.js";
import { Combine, combineFunctions, type PairColumns } from "./combine/combine.js";
import { GroupTable } from "./combine/group-table.js";
import { feedFrames, feedPairs, type PartialInput } from "./pair-inputs.js";
import { PairSource } from "./pair-source.js";
import { badPlan } from "./plan-nodes.js";
import type { BatchSource, MaybePromise } from "./task-context.js";

export function combineSource(node: FragmentNode, partition: number, opener: NodeOpener): BatchSource {
  const input = node.inputs[0];
  const aggregator = node.aggregator;
  if (input === undefined || aggregator === undefined) throw badPlan(node, "a combine has no input or aggregator");
  return new LazySource(() =>
    aggregator.kind === "group"
      ? group(node, [input], 0, partition, opener)
      : combine(node, input, aggregator, partition, opener),
  );
}

export function cogroupSource(node: FragmentNode, partition: number, opener: NodeOpener): BatchSource {
  return new LazySource(() => group(node, node.inputs, node.inputs.length, partition, opener));
}

/** A cogroup of two and the pairing of its groups in one. */
export function joinSource(node: FragmentNode, partition: number, opener: NodeOpener): BatchSource {
  const pair = (inputs: readonly PartialInput[]) =>
    new LazySource(() => group(node, inputs, 2, partition, opener, true));
  const parts = opener.context.joinParts ?? null;
  if (parts === null) return pair(node.inputs);
  const { shuffle, cuts } = parts;
  const inputsOf = (from: number, to: number) =>
    node.inputs.map((input) =>
      input.kind === "shuffle" && input.shuffle === shuffle ? { ...input, range: { from, to } } : input,
    );
  return new ConcatSource(cuts.slice(1).map((to, i) => () => pair(inputsOf(cuts[i] as number, to))));
}

function combine(
  node: FragmentNode,
  input: FragmentInput,
  aggregator: Exclude<Aggregator, { kind: "group" }>,
  partition: number,
  opener: NodeOpener,
): MaybePromise<BatchSource> {
  const { context } = opener;
  const table = (combiners: boolean, operators: readonly ChainOperator[]) =>
    new Combine({
      context,
      functions: combineFunctions(aggregator, combiners ? "combiners" : "values", context),
      operators,
      sites: [...operators.map((operator) => operator.site), node.callSite],
      flushBytes: Infinity,
    });
  if (input.kind === "shuffle") {
    const combined = table(input.combined, []);
    return collected(combined, () => {
      feedFrames(input, partition, context, (keys, values) => combined.addColumns(keys, values, 0, keys.length));
      return combined.results();
    });
  }
  const open = opener.openChain(input.node, partition);
  return chainMaybe(settleChain(open.source, open.operators, context), (chain) => {
    const combined = table(false, chain.operators);
    return collected(combined, () => chainMaybe(runChain(chain, combined.runner, context), () => combined.results()));
  });
}

function group(
  node: FragmentNode,
  inputs: readonly PartialInput[],
  parents: number,
  partition: number,
  opener: NodeOpener,
  joined = false,
): MaybePromise<BatchSource> {
  const table = new GroupTable({ context: opener.context, parents, site: node.callSite });
  const feed = (at: number): MaybePromise<void> => {
    const input = inputs[at];
    if (input === undefined) return;
    return chainMaybe(
      feedPairs(node, input, partition, opener, (keys, values) => table.addColumns(keys, values, at)),
      () => feed(at + 1),
    );
  };
  return collected({ abort: () => table.release() }, () =>
    chainMaybe(feed(0), () => (joined ? table.joined() : table.results())),
  );
}

/** Runs `body`; on failure, and when the source is closed, `owner` gives back what it holds. */
function collected(
  owner: { abort(): void },
  body: () => MaybePromise<Iterator<PairColumns>>,
): MaybePromise<BatchSource> {
  const failed = (error: unknown): never => {
    owner.abort();
    throw error;
  };
  try {
    const results = body();
    const source = (pairs: Iterator<PairColumns>) => new PairSource(pairs, () => owner.abort());
    return isPromise(results) ? results.then(source, failed) : source(results);
  } catch (error) {
    return failed(error);
  }
}
