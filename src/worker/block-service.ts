// What a worker gives to others: blocks of its shuffle files, its large results, its cached partitions. Reads only below its
// own directory: every path is spelled from ids here, never taken from a request.

import { createReadStream } from "node:fs";
import { MillraceError } from "../core/errors.js";
import { type BlockRequest, storageLevels } from "../protocol/blocks.js";
import { MapOutputFiles } from "../shuffle/map-output-files.js";
import { mapOutputPath, resultPath } from "../shuffle/paths.js";
import { serveBlocks } from "../shuffle/served-blocks.js";
import type { CacheStore } from "./cache-store.js";
import { encodeCachedHead } from "./cached-layout.js";
import type { CachedBlock } from "./slot/messages.js";

const CHUNK_BYTES = 256 * 1024;
const MIN_PIECE_BYTES = 4 * 1024;

/** Ids become parts of paths. */
const SAFE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export class BlockService {
  readonly #files: MapOutputFiles;

  constructor(
    private readonly directory: string,
    private readonly cache: CacheStore,
    /** Map outputs that are kept open. */
    openFiles: number,
  ) {
    this.#files = new MapOutputFiles({ maxFiles: openFiles });
  }

  /** Throws PROTOCOL_ERROR for what is no request, FETCH_FAILED and its like for what is not there. */
  serve(request: unknown): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
    const asked = request as BlockRequest;
    requireSafe(asked?.kind === "result" ? asked.key?.session : asked?.session);
    switch (asked.kind) {
      case "shuffle":
        return serveBlocks(
          this.#files,
          this.directory,
          asked,
          requireIndex(asked.partition),
          pieceBytes(asked.pieceBytes),
        );
      case "result":
        for (const part of [asked.key.job, asked.key.stage, asked.key.partition, asked.key.attempt]) requireIndex(part);
        return createReadStream(resultPath(this.directory, asked.key), { highWaterMark: CHUNK_BYTES });
      case "cached":
        return cachedPieces(this.cache.get(asked.session, asked.node, asked.partition, asked.generation ?? 0));
      case "adoptCached":
        return this.#forAdoption(asked);
      case "mapOutput":
        for (const part of [asked.shuffle, asked.map, asked.stage, asked.attempt]) requireIndex(part);
        return createReadStream(mapOutputPath(this.directory, asked), { highWaterMark: CHUNK_BYTES });
      default:
        throw new MillraceError("PROTOCOL_ERROR", "a block was asked for in no known form");
    }
  }

  async *#forAdoption({ session, node, partition, generation }: BlockRequest & { kind: "adoptCached" }) {
    const block = this.cache.get(session, node, partition, generation);
    if (block === undefined) return;
    const level = (storageLevels as readonly unknown[]).indexOf(this.cache.levelOf(session, node, partition));
    if (level < 0) return;
    yield Uint8Array.of(level);
    yield* cachedPieces(block);
  }

  /** Closes an open file, or those below a directory, that is about to be removed. */
  release(path: string): void {
    this.#files.release(path);
  }

  close(): void {
    this.#files.close();
  }
}

async function* cachedPieces(block: CachedBlock | undefined): AsyncGenerator<Uint8Array, void, void> {
  if (block === undefined) return;
  const { frames } = block;
  yield encodeCachedHead(block.schemas, frames instanceof SharedArrayBuffer ? frames.byteLength : frames.bytes);
  if (frames instanceof SharedArrayBuffer) {
    const bytes = new Uint8Array(frames);
    for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) yield bytes.slice(at, at + CHUNK_BYTES);
    return;
  }
  yield* createReadStream(frames.path, { highWaterMark: CHUNK_BYTES });
}

/** Within what a server offers, whatever is asked. */
function pieceBytes(asked: unknown): number {
  return Math.min(CHUNK_BYTES, Math.max(MIN_PIECE_BYTES, asked === undefined ? CHUNK_BYTES : requireIndex(asked)));
}

function requireSafe(session: unknown): void {
  if (typeof session !== "string" || !SAFE_ID.test(session))
    throw new MillraceError("PROTOCOL_ERROR", "a block was asked for without a session");
}

function requireIndex(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new MillraceError("PROTOCOL_ERROR", `a block was asked for with the number ${String(value)}`);
  return value;
}
