// From a split (split-planner.ts) to its records, synchronously: the one entry that tasks use.

import type { ClassRegistry } from "../codec/class-registry.js";
import type { SyncBatchSource } from "../core/data-flow.js";
import { MillraceError } from "../core/errors.js";
import type { LineForm } from "../plan/lineage.js";
import type { Split } from "../plan/stages.js";
import { BinaryRecordsSource } from "./binary-records-source.js";
import { openGzipInput, openPlainInput } from "./byte-input.js";
import { CollectionSource, RangeSource } from "./memory-sources.js";
import { ObjectFileSource } from "./object-file.js";
import { TextSource, textInputStart } from "./text-source.js";
import { WholeFilesSource } from "./whole-files-source.js";

/** What openSplit needs of a fragment node's format. */
export type SourceFormat =
  | { readonly kind: "collection" | "range" | "object" | "localCheckpoint" }
  | ({ readonly kind: "text" } & LineForm)
  | { readonly kind: "wholeFiles"; readonly content: "text" | "bytes" }
  | { readonly kind: "binaryRecords"; readonly recordLength: number };

/**
 * Opens the source of one partition. The caller closes it. Throws what the file system says (PATH_NOT_FOUND, ...),
 * FILE_CHANGED when the file is not the version that was planned; next() adds INVALID_TEXT and INVALID_FILE.
 */
export function openSplit(format: SourceFormat, split: Split, classes: ClassRegistry): SyncBatchSource {
  switch (split.kind) {
    case "bytes":
      return new CollectionSource(split.bytes, classes);
    case "range":
      return new RangeSource(split.start, split.step, split.count);
    case "file":
      return openFile(format, split);
    case "files":
      return openFiles(format, split, classes);
  }
}

function openFiles(format: SourceFormat, split: Split & { kind: "files" }, classes: ClassRegistry): SyncBatchSource {
  if (format.kind === "wholeFiles") return new WholeFilesSource(split.files, format.content);
  const [file] = split.files;
  if (format.kind !== "object" || file === undefined || split.files.length !== 1)
    throw new MillraceError("INTERNAL", `a ${format.kind} source was given ${split.files.length} whole files`);
  return new ObjectFileSource(file.compression === "gzip" ? openGzipInput(file) : openPlainInput(file, 0), classes);
}

function openFile(format: SourceFormat, split: Split & { kind: "file" }): SyncBatchSource {
  const zipped = split.compression === "gzip";
  const end = zipped ? Number.POSITIVE_INFINITY : split.start + split.length;
  switch (format.kind) {
    case "text": {
      const input = zipped ? openGzipInput(split) : openPlainInput(split, textInputStart(split.start));
      return closedOnError(input, () => new TextSource(input, { start: split.start, end }, format));
    }
    case "binaryRecords": {
      const input = zipped ? openGzipInput(split) : openPlainInput(split, split.start);
      return new BinaryRecordsSource(input, format.recordLength, end - split.start);
    }
    default:
      throw new MillraceError("INTERNAL", `a ${format.kind} source was given the file split ${split.url}`);
  }
}

/** A text source reads its first bytes when it is made. */
function closedOnError<T>(input: { close(): void }, open: () => T): T {
  try {
    return open();
  } catch (error) {
    input.close();
    throw error;
  }
}
