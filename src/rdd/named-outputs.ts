// Text files of several outputs at once, in one job and one commit: what map/reduce's named outputs are.

import { datasetNode, datasetSession, Operand } from "./operand.js";
import type { ActionOptions } from "./operations/run-action.js";
import { saveAsTextFile } from "./operations/save-as-files.js";
import type { RDD } from "./rdd.js";

/**
 * As saveAsTextFile, where the first of each pair says to which output its second goes: "" is `path`, each of `outputs` a
 * directory below it. All of them appear together, or nothing does.
 */
export function saveNamedOutputs(
  rdd: RDD<readonly [output: string, record: unknown]>,
  path: string,
  outputs: readonly string[],
  options?: ActionOptions,
): Promise<void> {
  const at = new Operand(rdd[datasetSession], rdd[datasetNode], "saveAsTextFile", saveNamedOutputs as never);
  return saveAsTextFile(at, path, options, outputs);
}
