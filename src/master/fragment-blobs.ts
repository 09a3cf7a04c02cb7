// The fragments of one session's jobs, which workers pull by their hash. Those of running jobs stay; of the others those used
// last, because a program's loop runs the same functions again. Without an end to it a session of a million jobs would keep a
// million of them, here and in every worker.

import type { BlobHash, JobId } from "../core/ids.js";
import { RecentlyUsed } from "../core/recently-used.js";

/** Of ended jobs. */
const KEPT = 256;
const KEPT_BYTES = 32 * 1024 * 1024;

export interface FragmentStage {
  readonly fragmentHash: BlobHash;
  readonly fragment: Uint8Array;
}

export class FragmentBlobs {
  readonly #users = new Map<BlobHash, { readonly jobs: Set<JobId>; readonly bytes: number }>();
  readonly #ofJob = new Map<JobId, readonly BlobHash[]>();
  readonly #idle = new RecentlyUsed<BlobHash>(KEPT, KEPT_BYTES);

  constructor(private readonly put: (hash: BlobHash, bytes: Uint8Array) => void) {}

  begun(job: JobId, stages: readonly FragmentStage[]): void {
    for (const { fragmentHash, fragment } of stages) {
      this.#idle.delete(fragmentHash);
      const users = this.#users.get(fragmentHash);
      if (users === undefined) this.#users.set(fragmentHash, { jobs: new Set([job]), bytes: fragment.byteLength });
      else users.jobs.add(job);
      this.put(fragmentHash, fragment);
    }
    this.#ofJob.set(
      job,
      stages.map(({ fragmentHash }) => fragmentHash),
    );
  }

  /** Answers which nobody is to pull any more. */
  ended(job: JobId): BlobHash[] {
    for (const hash of this.#ofJob.get(job) ?? []) {
      const users = this.#users.get(hash);
      if (users?.jobs.delete(job) && users.jobs.size === 0) this.#idle.use(hash, users.bytes);
    }
    this.#ofJob.delete(job);
    const surplus = this.#idle.takeSurplus();
    for (const hash of surplus) this.#users.delete(hash);
    return surplus;
  }
}
