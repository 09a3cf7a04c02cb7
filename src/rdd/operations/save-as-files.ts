import { toAbsoluteUrl } from "../../emrfs/url.js";
import { invalidArgument, requireText } from "../../session/arguments.js";
import type { Operand } from "../operand.js";
import { type ActionOptions, runAction } from "./run-action.js";

/** Options of `RDD.saveAsTextFile`. */
export interface TextFileOptions extends ActionOptions {
  /** "gzip" writes part-00000.gz and so on. Default "none". */
  readonly compression?: "none" | "gzip" | undefined;
  /** "latin1" writes a byte for each character, which must be below U+0100: what `textFile` with latin1 has read. Default "utf-8". */
  readonly encoding?: "utf-8" | "latin1" | undefined;
}

/** `outputs`: the records are [output, record] and go to directories of that name below `path`, "" to `path` itself. */
export function saveAsTextFile(
  at: Operand,
  path: unknown,
  options: TextFileOptions | undefined,
  outputs?: readonly string[],
): Promise<void> {
  const url = toAbsoluteUrl(requireText(at.method, "path", path), at.session.workingDirectory);
  const compression = options?.compression ?? "none";
  if (compression !== "none" && compression !== "gzip") {
    throw invalidArgument(at.method, "options.compression", '"none" or "gzip"', compression);
  }
  const encoding = options?.encoding ?? "utf-8";
  if (encoding !== "utf-8" && encoding !== "latin1")
    throw invalidArgument(at.method, "options.encoding", '"utf-8" or "latin1"', encoding);
  const bytes = encoding === "latin1" ? ({ encoding } as const) : {};
  const named = outputs === undefined ? {} : { outputs };
  return runAction(
    at,
    { kind: "saveAsTextFile", url, compression, ...bytes, ...named },
    options,
    () => () => undefined,
  );
}

export function saveAsObjectFile(at: Operand, path: unknown, options: ActionOptions | undefined): Promise<void> {
  const url = toAbsoluteUrl(requireText(at.method, "path", path), at.session.workingDirectory);
  return runAction(at, { kind: "saveAsObjectFile", url }, options, () => () => undefined);
}
