// The blobs that the master holds for its workers: fragments, captured values, broadcasts, folded values. Named by sha256,
// counted by owner (a session; a job for the values of its stages), dropped with the last owner.

import { createHash } from "node:crypto";
import { MillraceError } from "../core/errors.js";
import { type BlobHash, blobHash, type JobId, type SessionId } from "../core/ids.js";

export type BlobOwner = SessionId | `${SessionId}/${JobId}`;

interface Blob {
  readonly bytes: Uint8Array;
  readonly owners: Set<BlobOwner>;
}

interface Upload {
  readonly parts: Uint8Array[];
  sizeBytes: number;
}

export class BlobStore {
  readonly #blobs = new Map<BlobHash, Blob>();
  readonly #uploads = new Map<string, Upload>();

  /** Stores bytes whose hash the caller has computed. */
  put(owner: BlobOwner, hash: BlobHash, bytes: Uint8Array): void {
    const known = this.#blobs.get(hash);
    if (known === undefined) this.#blobs.set(hash, { bytes, owners: new Set([owner]) });
    else known.owners.add(owner);
  }

  /** Takes the next piece of an upload; at the last one the hash is checked. Throws PROTOCOL_ERROR when it differs. */
  append(owner: BlobOwner, hash: BlobHash, piece: Uint8Array, last: boolean): void {
    const key = `${owner}/${hash}`;
    const upload = this.#uploads.get(key) ?? { parts: [], sizeBytes: 0 };
    upload.parts.push(piece);
    upload.sizeBytes += piece.byteLength;
    if (!last) {
      this.#uploads.set(key, upload);
      return;
    }
    this.#uploads.delete(key);
    const bytes = upload.parts.length === 1 ? piece : Buffer.concat(upload.parts, upload.sizeBytes);
    const actual = hashOf(bytes);
    if (actual !== hash) {
      throw new MillraceError("PROTOCOL_ERROR", `a blob arrived with hash ${actual} but was announced as ${hash}`, {
        fields: { announced: hash, actual },
      });
    }
    this.put(owner, hash, bytes);
  }

  get(hash: BlobHash): Uint8Array | undefined {
    return this.#blobs.get(hash)?.bytes;
  }

  /** One owner no longer wants one blob. Answers whether it was dropped. */
  remove(owner: BlobOwner, hash: BlobHash): boolean {
    const blob = this.#blobs.get(hash);
    return blob?.owners.delete(owner) === true && blob.owners.size === 0 && this.#blobs.delete(hash);
  }

  /** Drops what nobody else owns. Returns the hashes dropped. */
  release(owner: BlobOwner): BlobHash[] {
    const dropped: BlobHash[] = [];
    for (const [hash, blob] of this.#blobs) {
      if (blob.owners.delete(owner) && blob.owners.size === 0) {
        this.#blobs.delete(hash);
        dropped.push(hash);
      }
    }
    for (const key of this.#uploads.keys()) if (key.startsWith(`${owner}/`)) this.#uploads.delete(key);
    return dropped;
  }
}

export function hashOf(bytes: Uint8Array): BlobHash {
  return blobHash(createHash("sha256").update(bytes).digest("hex"));
}
