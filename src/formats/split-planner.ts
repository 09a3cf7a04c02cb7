// What each partition of a source reads, decided from sizes alone, so that the same program on the same data always has the
// same partitions: a split is all bytes / 32, at least 1 and at most 64 MiB; minPartitions makes it smaller, never larger.
// Only looks at names, sizes and times; the bytes are read by open-split.ts, on the worker. Where lines are counted
// (linesPerPartition) they are read here, too.

import { MillraceError } from "../core/errors.js";
import type { FileStatus, FileSystemLookup } from "../emrfs/file-system.js";
import { expandPaths } from "../emrfs/glob.js";
import { displayUrl } from "../emrfs/url.js";
import type { Source } from "../plan/lineage.js";
import type { Split } from "../plan/stages.js";
import { startsOfLines } from "./line-starts.js";

const minSplitBytes = 1024 * 1024;
const maxSplitBytes = 64 * 1024 * 1024;
/** How many splits a source of middling size gets. */
const targetSplits = 32;
/** The last split of a file may be a tenth larger rather than leave a crumb (Hadoop's slop). */
const slop = 1.1;

/** Names in one split of whole files: a launch message stays small. */
const maxSplitFiles = 500;

const NO_SPLIT: Split = { kind: "range", start: 0, step: 1, count: 0 };

/** So that n pieces of size / n are n, not n + 1. */
const roundingError = 1e-9;

/** Compressions that Hadoop or its neighbours read and that are refused by name rather than read as text. */
const refusedExtensions: Readonly<Record<string, string>> = {
  bz2: "bzip2",
  zst: "zstd",
  zstd: "zstd",
  xz: "xz",
  lz4: "LZ4",
  lzo: "LZO",
  lzma: "LZMA",
  snappy: "Snappy",
  br: "Brotli",
  deflate: "deflate",
  z: "compress",
  zip: "zip",
  "7z": "7-Zip",
};

/** One split a partition, at least one: a source without a byte has one empty split. */
export async function planSplits(source: Source, lookup: FileSystemLookup, signal?: AbortSignal): Promise<Split[]> {
  switch (source.kind) {
    case "collection":
      return source.slices.map((bytes) => ({ kind: "bytes", bytes }));
    case "range":
      return planRange(source);
    // Nothing to read: its records are where they were cached, or nowhere.
    case "localCheckpoint":
      return Array.from({ length: source.checkpoint.partitions }, () => NO_SPLIT);
    case "object":
      return planWholeFiles(await expandPaths(source.paths, lookup, signal), Number.POSITIVE_INFINITY);
    case "wholeFiles":
      return planWholeFiles(await expandPaths(source.paths, lookup, signal), source.minPartitions ?? 1);
    case "text":
    case "binaryRecords": {
      const files = await expandPaths(source.paths, lookup, signal);
      if (source.kind === "text" && source.linesPerPartition !== undefined)
        return planLines(files, source.linesPerPartition, lookup, signal);
      const recordBytes = source.kind === "text" ? 1 : source.recordLength;
      return planFiles(files, recordBytes, source.minPartitions ?? 1);
    }
  }
}

function planRange(source: Source & { kind: "range" }): Split[] {
  const count = Math.max(0, Math.ceil((source.end - source.start) / source.step));
  const splits: Split[] = [];
  for (let i = 0; i < source.slices; i++) {
    const from = Math.floor((i * count) / source.slices);
    const to = Math.floor(((i + 1) * count) / source.slices);
    splits.push({ kind: "range", start: source.start + from * source.step, step: source.step, count: to - from });
  }
  return splits;
}

/** Splits begin at multiples of `recordBytes`; files stay in their order. */
export function planFiles(files: readonly FileStatus[], recordBytes: number, minPartitions: number): Split[] {
  const total = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const bySize = Math.min(maxSplitBytes, Math.max(minSplitBytes, Math.ceil(total / targetSplits)));
  const plain = files.filter((file) => compressionOf(file.url) === "none" && file.sizeBytes > 0);
  const plainBytes = plain.reduce((sum, file) => sum + file.sizeBytes, 0);
  // Each compressed file is one split whatever is asked for; the others make up the rest.
  const wanted = Math.max(1, minPartitions - files.filter((file) => file.sizeBytes > 0).length + plain.length);
  // A size that we chose ourselves may stretch; as many as asked for must be there.
  const goal = Math.max(1, Math.min(bySize * slop, plainBytes / wanted));
  const splits: Split[] = [];
  for (const file of files) {
    const compression = compressionOf(file.url);
    if (file.sizeBytes === 0) continue;
    if (compression === "gzip") {
      splits.push(splitOf(file, 0, file.sizeBytes, "gzip"));
      continue;
    }
    if (file.sizeBytes % recordBytes !== 0) {
      throw new MillraceError(
        "INVALID_FILE",
        `${displayUrl(file.url)} has ${file.sizeBytes} bytes, which is no multiple of the record length ${recordBytes}`,
        { fields: { path: displayUrl(file.url), sizeBytes: file.sizeBytes, recordLength: recordBytes } },
      );
    }
    const records = file.sizeBytes / recordBytes;
    const pieces = Math.min(records, Math.max(1, Math.ceil((file.sizeBytes / goal) * (1 - roundingError))));
    for (let i = 0; i < pieces; i++) {
      const start = Math.floor((i * records) / pieces) * recordBytes;
      const end = Math.floor(((i + 1) * records) / pieces) * recordBytes;
      splits.push(splitOf(file, start, end - start, "none"));
    }
  }
  return splits.length > 0 ? splits : [NO_SPLIT];
}

/** Splits of `lines` lines each, never over two files; a compressed file is one. */
async function planLines(
  files: readonly FileStatus[],
  lines: number,
  lookup: FileSystemLookup,
  signal?: AbortSignal,
): Promise<Split[]> {
  const splits: Split[] = [];
  for (const file of files) {
    if (file.sizeBytes === 0) continue;
    if (compressionOf(file.url) === "gzip") {
      splits.push(splitOf(file, 0, file.sizeBytes, "gzip"));
      continue;
    }
    const starts = await startsOfLines(lookup(file.url), file, lines, signal);
    starts.forEach((start, i) => {
      splits.push(splitOf(file, start, (starts[i + 1] ?? file.sizeBytes) - start, "none"));
    });
  }
  return splits.length > 0 ? splits : [{ kind: "range", start: 0, step: 1, count: 0 }];
}

/** Files in their order, as many in one split as its share of all bytes allows; with no limit to the splits, each in its own. */
export function planWholeFiles(files: readonly FileStatus[], minPartitions: number): Split[] {
  const total = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const bySize = Math.min(maxSplitBytes, Math.max(minSplitBytes, Math.ceil(total / targetSplits)));
  const byCount = Math.ceil(files.length / Math.max(1, minPartitions));
  const most = Math.max(1, Math.min(maxSplitFiles, byCount));
  const splits: Split[] = [];
  let group: (Split & { kind: "files" })["files"][number][] = [];
  let bytes = 0;
  const end = () => {
    if (group.length > 0) splits.push({ kind: "files", files: group });
    group = [];
    bytes = 0;
  };
  for (const { url, sizeBytes, modifiedMs } of files) {
    if (group.length >= most || (bytes > 0 && bytes + sizeBytes > bySize)) end();
    group.push({ url, fileSize: sizeBytes, modifiedMs, compression: compressionOf(url) });
    bytes += sizeBytes;
  }
  end();
  return splits.length > 0 ? splits : [NO_SPLIT];
}

function splitOf(file: FileStatus, start: number, length: number, compression: "none" | "gzip"): Split {
  const { url, sizeBytes, modifiedMs } = file;
  return { kind: "file", url, start, length, fileSize: sizeBytes, modifiedMs, compression };
}

/** By the name alone, as Hadoop does. UNSUPPORTED_COMPRESSION for a known one that cannot be read. */
export function compressionOf(url: string): "none" | "gzip" {
  const extension = /\.([A-Za-z0-9]+)$/.exec(url)?.[1]?.toLowerCase() ?? "";
  if (extension === "gz" || extension === "gzip") return "gzip";
  const refused = refusedExtensions[extension];
  if (refused === undefined) return "none";
  const path = displayUrl(url);
  throw new MillraceError(
    "UNSUPPORTED_COMPRESSION",
    `${path} is compressed with ${refused}, which cannot be read yet: decompress it, or recompress it with gzip`,
    { fields: { path, compression: refused } },
  );
}
