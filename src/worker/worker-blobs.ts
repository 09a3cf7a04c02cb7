// Blobs of the master that this process holds. Those that launches name (fragments, values of stages) stay until they are
// released, because an attempt that may run must find them. Those that slots ask for (bundles, broadcast values) are a cache:
// every slot keeps what it has made of one, so that only another slot asks again; the longest unused go first.

import type { BlobHash } from "../core/ids.js";

/** Of blobs that no launch names, besides the one used last. */
export const CACHED_BLOB_BYTES = 64 * 1024 * 1024;

interface Held {
  readonly fetched: Promise<Uint8Array>;
  /** null while it is on its way. */
  bytes: Uint8Array | null;
  pinned: boolean;
}

export class WorkerBlobs {
  /** The longest unused first. */
  readonly #held = new Map<BlobHash, Held>();
  #looseBytes = 0;

  constructor(
    private readonly fetch: (hash: BlobHash) => Promise<Uint8Array>,
    private readonly limitBytes: number = CACHED_BLOB_BYTES,
  ) {}

  /** Bytes at hand. */
  get heldBytes(): number {
    let sum = 0;
    for (const { bytes } of this.#held.values()) sum += bytes?.byteLength ?? 0;
    return sum;
  }

  /** Fetched once, whoever asks. */
  get(hash: BlobHash): Promise<Uint8Array> {
    const held = this.#held.get(hash) ?? this.#begin(hash);
    this.#held.delete(hash);
    this.#held.set(hash, held);
    return held.fetched;
  }

  /** Fetches it and keeps it until it is dropped. false: it was dropped while it came. */
  async pin(hash: BlobHash): Promise<boolean> {
    const fetched = this.get(hash);
    const held = this.#held.get(hash) as Held;
    this.#setPinned(held, true);
    await fetched;
    return this.#held.get(hash) === held;
  }

  /** Bytes at hand; undefined where there are none (yet). */
  bytesOf(hash: BlobHash): Uint8Array | undefined {
    return this.#held.get(hash)?.bytes ?? undefined;
  }

  drop(hash: BlobHash): void {
    const held = this.#held.get(hash);
    if (held === undefined) return;
    this.#looseBytes -= looseBytes(held);
    this.#held.delete(hash);
  }

  /** Pinned blobs that no launch names any more become a part of the cache. */
  keepPinned(isNamed: (hash: BlobHash) => boolean): void {
    for (const [hash, held] of this.#held) if (!isNamed(hash)) this.#setPinned(held, false);
    this.#evict();
  }

  #setPinned(held: Held, pinned: boolean): void {
    this.#looseBytes -= looseBytes(held);
    held.pinned = pinned;
    this.#looseBytes += looseBytes(held);
  }

  #begin(hash: BlobHash): Held {
    const held: Held = { fetched: this.fetch(hash), bytes: null, pinned: false };
    held.fetched.then(
      (bytes) => {
        held.bytes = bytes;
        if (this.#held.get(hash) !== held) return;
        this.#looseBytes += looseBytes(held);
        this.#evict();
      },
      // Whoever waits for it reports the failure.
      () => {
        if (this.#held.get(hash) === held) this.#held.delete(hash);
      },
    );
    return held;
  }

  /** Of those that are here and not pinned; the one used last stays, however large it is. */
  #evict(): void {
    if (this.#looseBytes <= this.limitBytes) return;
    const loose = [...this.#held].filter(([, { pinned, bytes }]) => !pinned && bytes !== null);
    for (const [hash] of loose.slice(0, -1)) {
      if (this.#looseBytes <= this.limitBytes) return;
      this.drop(hash);
    }
  }
}

/** What a blob counts towards the limit. */
function looseBytes({ pinned, bytes }: Held): number {
  return pinned ? 0 : (bytes?.byteLength ?? 0);
}
