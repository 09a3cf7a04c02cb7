import { toAbsoluteUrl } from "../../emrfs/url.js";
import { invalidArgument, requireText } from "../../session/arguments.js";
import type { Operand } from "../operand.js";
import { type ActionOptions, runAction } from "./run-action.js";

/** Options of `RDD.saveAsTextFile`. */
export interface TextFileOptions extends ActionOptions {
  /** "gzip" writes part-00000.gz and so on. Default "none". */
  readonly compression?: "none" | "gzip" | undefined;
}

export function saveAsTextFile(at: Operand, path: unknown, options: TextFileOptions | undefined): Promise<void> {
  const url = toAbsoluteUrl(requireText(at.method, "path", path), at.session.workingDirectory);
  const compression = options?.compression ?? "none";
  if (compression !== "none" && compression !== "gzip") {
    throw invalidArgument(at.method, "options.compression", '"none" or "gzip"', compression);
  }
  return runAction(at, { kind: "saveAsTextFile", url, compression }, options, () => () => undefined);
}

export function saveAsObjectFile(at: Operand, path: unknown, options: ActionOptions | undefined): Promise<void> {
  const url = toAbsoluteUrl(requireText(at.method, "path", path), at.session.workingDirectory);
  return runAction(at, { kind: "saveAsObjectFile", url }, options, () => () => undefined);
}
