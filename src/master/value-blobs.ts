// Values of stages (range bounds, folded results) in launches: what is larger than VALUE_INLINE_BYTES together becomes one blob
// that workers pull by its hash. Made once a stage, however many launches carry it; kept until its job ends.

import type { BlobHash, JobId, SessionId } from "../core/ids.js";
import { pack } from "../core/packed.js";
import type { TaskLaunch, ValueInput } from "../protocol/tasks.js";
import type { MasterToWorker } from "../protocol/worker.js";
import { type BlobOwner, type BlobStore, hashOf } from "./blob-store.js";
import { VALUE_INLINE_BYTES, valueBytes } from "./events.js";

export class ValueBlobs {
  /** By the scheduler's list of parts, which is the same in every launch of a job. */
  readonly #hashes = new WeakMap<readonly Uint8Array[], BlobHash | null>();
  /** Jobs that own blobs: all others end without a look at the store. */
  readonly #owners = new Set<BlobOwner>();

  constructor(
    private readonly blobs: BlobStore,
    private readonly inlineBytes: number = VALUE_INLINE_BYTES,
  ) {}

  /** The same message, with hashes in place of large values. */
  lighten(message: MasterToWorker): MasterToWorker {
    if (message.kind !== "launch" || message.launches.every(({ values }) => values.length === 0)) return message;
    return { ...message, launches: message.launches.map((launch) => this.#launch(launch)) };
  }

  /** The job has ended. Returns the blobs that nobody needs any more. */
  release(session: SessionId, job: JobId): BlobHash[] {
    const owner = ownerOf(session, job);
    return this.#owners.delete(owner) ? this.blobs.release(owner) : [];
  }

  #launch(launch: TaskLaunch): TaskLaunch {
    if (launch.values.length === 0) return launch;
    const { session, job } = launch.key;
    return { ...launch, values: launch.values.map((value) => this.#value(value, ownerOf(session, job))) };
  }

  #value(value: ValueInput, owner: BlobOwner): ValueInput {
    const { stage, parts } = value;
    let hash = this.#hashes.get(parts);
    if (hash === undefined) {
      hash = valueBytes(parts) > this.inlineBytes ? this.#store(parts, owner) : null;
      this.#hashes.set(parts, hash);
    }
    return hash === null ? value : { stage, parts: [], blob: hash };
  }

  #store(parts: readonly Uint8Array[], owner: BlobOwner): BlobHash {
    const bytes = pack(parts);
    const hash = hashOf(bytes);
    this.blobs.put(owner, hash, bytes);
    this.#owners.add(owner);
    return hash;
  }
}

function ownerOf(session: SessionId, job: JobId): BlobOwner {
  return `${session}/${job}`;
}
