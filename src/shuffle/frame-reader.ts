// What a reduce task reads: the frames of its partition, map outputs in map order, from files here and from other workers.
// Every frame's checksum is checked before it is handed out, so that damage is told with the name of the map that has to be
// computed again.

import { FRAME_HEADER_BYTES, frameLength, readFrameHeader } from "../codec/frame.js";
import type { FrameSource } from "../codec/frame-flow.js";
import type { SchemaTable } from "../codec/schema.js";
import { isMillraceError } from "../core/errors.js";
import type { MutableMetrics } from "../core/task-metrics.js";
import { toFetchError } from "./fetch-error.js";
import type { FetchPlan, FetchRequest } from "./fetch-plan.js";
import type { MapOutputFiles } from "./map-output-files.js";
import { type RemoteBlocks, RemoteFrameReader } from "./served-blocks.js";

/** Of a large block, read at once. */
const windowBytes = 1024 * 1024;
/** Smaller blocks are read together with those of the next partitions: the next tasks' or the same one's. */
const smallBlockBytes = 1024;

export type ShuffleReadMetrics = Pick<
  MutableMetrics,
  "shuffleLocalBlocksFetched" | "shuffleLocalBytesRead" | "shuffleRemoteBlocksFetched" | "shuffleRemoteBytesRead"
>;

export interface FrameReaderOptions {
  readonly plan: FetchPlan;
  /** The reduce partition. */
  readonly partition: number;
  /** Only the map outputs [from, to) are read. Default: all. */
  readonly maps?: { readonly from: number; readonly to: number };
  readonly files: MapOutputFiles;
  /** Counted here: blocks and bytes by where they came from. */
  readonly metrics?: ShuffleReadMetrics;
  /** Sends the request and gives its answer; called once a request, before the first frame, so that answers come meanwhile. */
  openRemote(request: FetchRequest, partition: number): RemoteBlocks;
}

export class ShuffleFrameReader implements FrameSource {
  readonly #plan: FetchPlan;
  /** One a request of the plan; null where nothing is wanted of it. */
  readonly #remotes: (RemoteFrameReader | null)[] = [];
  readonly #endMap: number;
  #map: number;
  /** What is read of the block of map `#map`, and where the rest of it stands in its file. */
  #window: Uint8Array | null = null;
  #at = 0;
  #position = 0;
  #end = 0;
  #schemas: SchemaTable | null = null;
  #localBytes = 0;
  /** Frames of map `#map` that were handed out; -1 map: none was read over. */
  #handed = 0;
  #readOverMap = -1;
  #closed = false;

  constructor(private readonly options: FrameReaderOptions) {
    this.#plan = options.plan;
    const { from, to } = options.maps ?? { from: 0, to: options.plan.maps.length };
    this.#map = from;
    this.#endMap = Math.min(to, options.plan.maps.length);
    try {
      for (const request of options.plan.requests) {
        const wanted = withinMaps(request, from, to);
        this.#remotes.push(
          wanted === null ? null : new RemoteFrameReader(options.openRemote(wanted, options.partition)),
        );
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Encoded bytes taken so far, from here and elsewhere. */
  get bytesRead(): number {
    return this.#remotes.reduce((sum, remote) => sum + (remote?.bytesRead ?? 0), this.#localBytes);
  }

  next(): { readonly frame: Uint8Array; readonly schemas: SchemaTable; readonly map: number } | null {
    const maps = this.#plan.maps;
    while (this.#map < this.#endMap && !this.#closed) {
      const map = this.#map;
      const origin = maps[map]!;
      try {
        const found = this.#nextOf(map);
        if (found !== null) {
          this.#count(origin.kind === "file", found.frame.byteLength);
          this.#handed++;
          return { frame: found.frame, schemas: found.schemas, map };
        }
      } catch (error) {
        // Damage on the way, or in memory, is gone when the bytes are read once more.
        if (isMillraceError(error) && error.code === "BLOCK_CORRUPT" && this.#readOverMap !== map) {
          this.#readOver(map);
          continue;
        }
        throw toFetchError(error, { shuffle: this.#plan.shuffle, map, worker: origin.worker });
      }
      this.#map++;
      this.#handed = 0;
    }
    return null;
  }

  #count(local: boolean, bytes: number): void {
    const { metrics } = this.options;
    if (metrics === undefined) return;
    const first = this.#handed === 0 ? 1 : 0;
    if (local) {
      metrics.shuffleLocalBlocksFetched += first;
      metrics.shuffleLocalBytesRead += bytes;
    } else {
      metrics.shuffleRemoteBlocksFetched += first;
      metrics.shuffleRemoteBytesRead += bytes;
    }
  }

  #nextOf(map: number): { frame: Uint8Array; schemas: SchemaTable } | null {
    const origin = this.#plan.maps[map]!;
    return origin.kind === "file" ? this.#nextLocal(origin.path) : this.#remotes[origin.request]!.next(map);
  }

  /** Begins the block of this map anew and passes over what was handed out of it. Damage before that point shows at once. */
  #readOver(map: number): void {
    this.#readOverMap = map;
    const origin = this.#plan.maps[map]!;
    if (origin.kind === "file") this.#window = null;
    else {
      const request = this.#plan.requests[origin.request]!;
      const outputs = request.outputs.filter((output) => output.map >= map);
      this.#remotes[origin.request]!.close();
      this.#remotes[origin.request] = new RemoteFrameReader(
        this.options.openRemote({ ...request, outputs }, this.options.partition),
        this.#remotes[origin.request]!.bytesRead,
      );
    }
    try {
      for (let frame = 0; frame < this.#handed; frame++) this.#nextOf(map);
    } catch (error) {
      throw toFetchError(error, { shuffle: this.#plan.shuffle, map, worker: origin.worker });
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#window = null;
    for (const remote of this.#remotes) remote?.close();
  }

  #nextLocal(path: string): { frame: Uint8Array; schemas: SchemaTable } | null {
    if (this.#window === null && !this.#openBlock(path)) return null;
    if (this.#at === this.#window!.byteLength && this.#position === this.#end) {
      this.#window = null;
      return null;
    }
    this.#fillFrame(path);
    const window = this.#window!;
    const { totalBytes } = readFrameHeader(window, this.#at);
    const frame = window.subarray(this.#at, this.#at + totalBytes);
    this.#at += totalBytes;
    return { frame, schemas: this.#schemas! };
  }

  /** Reads a small block whole: its frames share its bytes. */
  #openBlock(path: string): boolean {
    const file = this.options.files.open(path);
    const length = file.blockLength(this.options.partition);
    if (length === 0) return false;
    this.#position = file.blockStart(this.options.partition);
    this.#end = this.#position + length;
    this.#schemas = file.schemas;
    this.#at = 0;
    this.#localBytes += length;
    if (length <= smallBlockBytes) {
      this.#window = file.readSmall(this.options.partition);
      this.#position = this.#end;
      return true;
    }
    this.#window = Buffer.allocUnsafe(Math.min(length, windowBytes));
    file.readInto(this.#window, 0, this.#window.byteLength, this.#position);
    this.#position += this.#window.byteLength;
    return true;
  }

  /** Makes the frame at `at` stand whole in the window: what is there of it moves to a new one, for frames keep theirs. */
  #fillFrame(path: string): void {
    const window = this.#window!;
    const have = window.byteLength - this.#at;
    const left = have + this.#end - this.#position;
    const needed = have < FRAME_HEADER_BYTES ? Math.min(left, windowBytes) : frameBytes(window, this.#at, left);
    if (have >= needed) return;
    const next = Buffer.allocUnsafe(Math.min(left, Math.max(needed, windowBytes)));
    next.set(window.subarray(this.#at), 0);
    const count = next.byteLength - have;
    this.options.files.open(path).readInto(next, have, count, this.#position);
    this.#position += count;
    this.#window = next;
    this.#at = 0;
    if (have < FRAME_HEADER_BYTES) this.#fillFrame(path);
  }
}

/** The request for the maps [from, to) alone; null when it has none of them. */
function withinMaps(request: FetchRequest, from: number, to: number): FetchRequest | null {
  const outputs = request.outputs.filter(({ map }) => map >= from && map < to);
  if (outputs.length === request.outputs.length) return request;
  return outputs.length === 0 ? null : { ...request, outputs };
}

/** The length that the frame at `at` announces, held against what its block has left. */
function frameBytes(window: Uint8Array, at: number, left: number): number {
  const announced = (window[at]! | (window[at + 1]! << 8) | (window[at + 2]! << 16) | (window[at + 3]! << 24)) >>> 0;
  // A length that cannot be is left to frameLength, which says so.
  return announced <= left ? announced : frameLength(window.subarray(at), 0);
}
