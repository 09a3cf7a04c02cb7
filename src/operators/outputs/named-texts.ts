// The text files of one task that writes to several outputs at once: records are [output, record], "" is the job's own
// directory. Each output gets a part file, an empty one too, so that all of them have the same parts.

import { printRecord } from "../../codec/print-record.js";
import { MillraceError } from "../../core/errors.js";
import type { PartFile } from "../task-context.js";
import { textBytes } from "./text-bytes.js";

/** Text is written in pieces of at least so many characters. */
export const TEXT_CHUNK = 256 * 1024;

interface OpenText {
  readonly file: PartFile;
  text: string;
}

export class NamedTexts {
  lines = 0;
  readonly #texts = new Map<string, OpenText>();

  /** `open`: makes the part file of an output. What was opened before a failure is aborted. */
  constructor(
    outputs: readonly string[],
    open: (output: string) => PartFile,
    private readonly encoding: "utf8" | "latin1",
  ) {
    try {
      for (const output of ["", ...outputs]) this.#texts.set(output, { file: open(output), text: "" });
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  add(record: unknown): void {
    const [output, inner] = record as readonly [string, unknown];
    const open = this.#texts.get(output);
    if (open === undefined) {
      const known = [...this.#texts.keys()].filter(Boolean).join(", ") || "none";
      throw new MillraceError("INTERNAL", `a record goes to the output ${String(output)}; there are ${known}`);
    }
    open.text += `${printRecord(inner)}\n`;
    this.lines++;
    if (open.text.length >= TEXT_CHUNK) this.#flush(open);
  }

  finish(): {
    readonly sizeBytes: number;
    readonly files: readonly { readonly pending: string; readonly final: string }[];
  } {
    let sizeBytes = 0;
    const files = [...this.#texts.values()].map((open) => {
      this.#flush(open);
      const { pending, final, sizeBytes: bytes } = open.file.finish();
      sizeBytes += bytes;
      return { pending, final };
    });
    return { sizeBytes, files };
  }

  abort(): void {
    for (const { file } of this.#texts.values()) file.abort();
  }

  #flush(open: OpenText): void {
    if (open.text.length > 0) open.file.write(textBytes(open.text, this.encoding));
    open.text = "";
  }
}
