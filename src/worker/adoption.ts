// Takes over what a worker that leaves holds: map outputs as whole files, cached partitions into the cache. A file of the same
// machine is linked, else its bytes are pulled; it gets its name only when it is whole and its checksums hold, so nobody ever
// reads half of one. A session, shuffle or RDD that is released meanwhile stops what is on its way. Which blocks come here is
// the master's word, and so is how much at once.

import { constants, existsSync, linkSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { copyFile, open } from "node:fs/promises";
import { dirname } from "node:path";
import { MillraceError, toWireError } from "../core/errors.js";
import type { NodeId, SessionId, ShuffleId } from "../core/ids.js";
import { errnoOf, toStorageError } from "../emrfs/storage-error.js";
import { type AdoptableBlock, type AdoptionOutcome, blockName } from "../protocol/adoption.js";
import type { BlockRequest } from "../protocol/blocks.js";
import type { WorkerAddress } from "../protocol/tasks.js";
import { checkMapOutput, checkMapOutputTail } from "../shuffle/check-map-output.js";
import { mapOutputPath } from "../shuffle/paths.js";
import { parseCachedPartition } from "./adopted-partition.js";
import type { CacheStore } from "./cache-store.js";

type MapOutputBlock = AdoptableBlock & { readonly kind: "mapOutput" };
type CachedPartition = AdoptableBlock & { readonly kind: "cached" };

export interface AdoptionOptions {
  readonly self: WorkerAddress;
  /** Files of other workers on this machine may be linked (shuffle.localReads). */
  readonly localReads: boolean;
  readonly cache: CacheStore;
  readonly fetchBlock: (address: string, request: BlockRequest, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly report: (from: WorkerAddress, outcomes: readonly AdoptionOutcome[]) => void;
}

/** Blocks pulled at once. The master bounds their bytes. */
const AT_ONCE = 4;
/** A cached partition that is larger than what was announced by more than this is refused: its memory was not asked for. */
const CACHED_SLACK_BYTES = 64 * 1024;

interface Waiting {
  readonly from: WorkerAddress;
  readonly block: AdoptableBlock;
  readonly abort: AbortController;
}

export class Adoption {
  readonly #options: AdoptionOptions;
  /** By name, those that run too: the same block is asked for again after a broken stream. */
  readonly #wanted = new Map<string, Waiting>();
  readonly #queue: Waiting[] = [];
  readonly #sessions = new Set<SessionId>();
  #running = 0;

  constructor(options: AdoptionOptions) {
    this.#options = options;
  }

  /** Sessions of which something was taken over. */
  get sessions(): ReadonlySet<SessionId> {
    return this.#sessions;
  }

  adopt(from: WorkerAddress, blocks: readonly AdoptableBlock[]): void {
    const linked: AdoptionOutcome[] = [];
    for (const block of blocks) {
      this.#sessions.add(block.session);
      const name = nameOf(from, block);
      if (this.#wanted.has(name)) continue;
      if (block.kind === "mapOutput" && this.#link(from, block)) {
        linked.push({ block, error: null });
        continue;
      }
      const waiting: Waiting = { from, block, abort: new AbortController() };
      this.#wanted.set(name, waiting);
      this.#queue.push(waiting);
    }
    if (linked.length > 0) this.#options.report(from, linked);
    this.#next();
  }

  /** The session, or one shuffle of it, is released: what of it is on its way stops. */
  release(session: SessionId, shuffle?: ShuffleId): void {
    if (shuffle === undefined) this.#sessions.delete(session);
    this.#stop(
      ({ block }) =>
        block.session === session &&
        (shuffle === undefined || (block.kind === "mapOutput" && block.shuffle === shuffle)),
    );
  }

  releaseNode(session: SessionId, node: NodeId): void {
    this.#stop(({ block }) => block.kind === "cached" && block.session === session && block.node === node);
  }

  close(): void {
    this.#stop(() => true);
  }

  #stop(of: (waiting: Waiting) => boolean): void {
    for (const [name, waiting] of [...this.#wanted]) {
      if (!of(waiting)) continue;
      this.#wanted.delete(name);
      waiting.abort.abort();
    }
  }

  #next(): void {
    while (this.#running < AT_ONCE) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) return;
      if (waiting.abort.signal.aborted) continue;
      this.#running++;
      void this.#take(waiting);
    }
  }

  async #take(waiting: Waiting): Promise<void> {
    const { from, block, abort } = waiting;
    let error: unknown = null;
    try {
      if (block.kind === "mapOutput") await this.#takeMapOutput(from, block, abort.signal);
      else await this.#takeCached(from, block, abort.signal);
    } catch (failure) {
      error = failure;
    }
    this.#running--;
    const name = nameOf(from, block);
    if (this.#wanted.get(name) === waiting) this.#wanted.delete(name);
    if (!abort.signal.aborted)
      this.#options.report(from, [{ block, error: error === null ? null : toWireError(error, "FETCH_FAILED") }]);
    this.#next();
  }

  /** A link to a neighbour's file costs no bytes. false: it must be pulled. */
  #link(from: WorkerAddress, block: MapOutputBlock): boolean {
    if (!this.#isNear(from)) return false;
    const path = mapOutputPath(this.#options.self.directory, block);
    try {
      linkSync(mapOutputPath(from.directory, block), path);
    } catch (error) {
      // EEXIST: asked for again. All else (no such directory yet, another file system): the long way tells what is wrong.
      if (errnoOf(error) !== "EEXIST") return false;
    }
    return isWhole(path);
  }

  async #takeMapOutput(from: WorkerAddress, block: MapOutputBlock, signal: AbortSignal): Promise<void> {
    const path = mapOutputPath(this.#options.self.directory, block);
    try {
      mkdirSync(dirname(path), { recursive: true });
    } catch (error) {
      throw toStorageError(error, "make the directory", dirname(path));
    }
    // The first of a shuffle found no directory to link into.
    if (this.#link(from, block)) return;
    const pending = `${path}.from-${from.worker}`;
    try {
      if (!(await this.#copy(from, block, pending))) await this.#pull(from, block, pending, signal);
      await checkMapOutput(pending, signal);
      signal.throwIfAborted();
      renameSync(pending, path);
    } catch (error) {
      rmSync(pending, { force: true });
      throw error;
    }
  }

  async #copy(from: WorkerAddress, block: MapOutputBlock, pending: string): Promise<boolean> {
    if (!this.#isNear(from)) return false;
    try {
      await copyFile(mapOutputPath(from.directory, block), pending, constants.COPYFILE_FICLONE);
      return true;
    } catch (error) {
      if (errnoOf(error) === "ENOSPC") throw toStorageError(error, "copy a map output to", pending);
      return false;
    }
  }

  async #pull(from: WorkerAddress, block: MapOutputBlock, pending: string, signal: AbortSignal): Promise<void> {
    const { session, shuffle, map, stage, attempt } = block;
    const request: BlockRequest = { kind: "mapOutput", session, shuffle, map, stage, attempt };
    try {
      const file = await open(pending, "w", 0o600);
      try {
        for await (const chunk of this.#options.fetchBlock(from.blocks, request, signal)) await file.writeFile(chunk);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw errnoOf(error) === undefined ? error : toStorageError(error, "write", pending);
    }
  }

  async #takeCached(from: WorkerAddress, block: CachedPartition, signal: AbortSignal): Promise<void> {
    const { cache, fetchBlock } = this.#options;
    const { session, node, partition, generation, sizeBytes } = block;
    if (cache.get(session, node, partition, generation) !== undefined) return;
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of fetchBlock(
      from.blocks,
      { kind: "adoptCached", session, node, partition, generation },
      signal,
    )) {
      parts.push(chunk);
      bytes += chunk.byteLength;
      if (parts.length > 1 && bytes > 2 * sizeBytes + CACHED_SLACK_BYTES)
        throw new MillraceError(
          "PROTOCOL_ERROR",
          `${blockName(block)} has ${bytes} bytes and more, ${sizeBytes} were announced`,
        );
    }
    signal.throwIfAborted();
    const parsed = parseCachedPartition(parts, bytes);
    if (parsed === null)
      throw new MillraceError(
        "FETCH_FAILED",
        `${blockName(block)} is not in the cache of worker ${from.worker} any more`,
      );
    const { level, schemas, frames } = parsed;
    const cached = { node, partition, generation, schemas, frames };
    const offer = { session, level, sizeBytes: frames.byteLength, block: cached };
    if (!cache.store(offer, false))
      throw new MillraceError(
        "CACHE_FULL",
        `the cache of worker ${this.#options.self.worker} has no room for ${blockName(block)}`,
      );
  }

  #isNear(from: WorkerAddress): boolean {
    const { self, localReads } = this.#options;
    return localReads && from.machine === self.machine && from.directory !== "" && existsSync(from.directory);
  }
}

function isWhole(path: string): boolean {
  try {
    checkMapOutputTail(path);
    return true;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    rmSync(path, { force: true });
    return false;
  }
}

function nameOf(from: WorkerAddress, block: AdoptableBlock): string {
  return `${from.worker} ${blockName(block)}`;
}
