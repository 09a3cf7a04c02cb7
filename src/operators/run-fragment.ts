// Runs one task: evaluates the fragment's root for the context's partition and feeds the fragment's output. Synchronous
// from end to end unless a function of the chain answers promises.

import { MillraceError } from "../core/errors.js";
import type { Fragment } from "../plan/stages.js";
import { isPromise, withClose } from "./batches.js";
import { Evaluator } from "./evaluate.js";
import { runAction } from "./outputs/action-output.js";
import { runRangeBounds, runSampleKeys } from "./outputs/range-sample.js";
import { runShuffleOutput } from "./outputs/shuffle-output.js";
import type { FragmentResult, MaybePromise, TaskContext } from "./task-context.js";
import { operatorFailure } from "./user-errors.js";

/**
 * Throws (or rejects with) a MillraceError: TASK_FAILED with the operator, the partition and the user's own error as cause;
 * NOT_A_PAIR, WRONG_SHAPE, INVALID_KEY, CLASS_NOT_TRAVELLING; TASK_CANCELLED; and what the context throws. Whatever was
 * written is aborted then.
 */
export function runFragment(fragment: Fragment, context: TaskContext): MaybePromise<FragmentResult> {
  const { output } = fragment;
  if (output.kind === "rangeBounds") return runRangeBounds(output, context);
  const root = fragment.nodes.at(-1);
  if (root === undefined) throw new MillraceError("INTERNAL", `a fragment with output ${output.kind} has no nodes`);
  const site = (output.kind === "sampleKeys" ? undefined : output.callSite) ?? root.callSite;
  const evaluator = new Evaluator(fragment.nodes, context);
  const chain = evaluator.openChain(root.id, context.partition);
  const run = (): MaybePromise<FragmentResult> => {
    switch (output.kind) {
      case "shuffle":
        return runShuffleOutput(chain, output, site, context);
      case "sampleKeys":
        return runSampleKeys(chain, output, site, context);
      case "action":
        return runAction(output.action, { chain, site, context, gather: evaluator.mayAwait(root.id) });
    }
  };
  // Errors outside the generated loops (a partitioner's, of encoding) get their operator here.
  const failed = (error: unknown): never => {
    throw operatorFailure(error, site, context.partition);
  };
  try {
    // Closed here too for a chain that failed before it was run.
    const result = withClose(() => chain.source.close(), run);
    return isPromise(result) ? result.catch(failed) : result;
  } catch (error) {
    return failed(error);
  }
}
