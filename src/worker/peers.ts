// The other workers as this one knows them: where they serve their blocks, and which of them the master has given up. What is
// asked of one that is given up fails at once, and so does what it has not delivered yet: a process that hangs would let its
// readers wait for their own deadlines.

import { MillraceError } from "../core/errors.js";
import type { WorkerId } from "../core/ids.js";
import { StreamGroups } from "../core/stream-groups.js";
import type { TaskLaunch, WorkerAddress } from "../protocol/tasks.js";

export class Peers {
  readonly #addresses = new Map<WorkerId, WorkerAddress>();
  /** By the address of the block server: a worker that was started again has another one. */
  readonly #gone = new Map<string, MillraceError>();
  readonly #streams = new StreamGroups<string>();

  /** Of map outputs: the master counts on them, also where it had given them up. */
  learn(addresses: readonly WorkerAddress[]): void {
    for (const address of addresses) {
      this.#addresses.set(address.worker, address);
      this.#gone.delete(address.blocks);
    }
  }

  /** Whoever has cached partitions for a task is there again as well. */
  launched(launches: readonly TaskLaunch[]): void {
    if (this.#gone.size === 0) return;
    for (const { cached } of launches)
      for (const { worker } of cached) this.#gone.delete(this.#addresses.get(worker)?.blocks ?? "");
  }

  lost(worker: WorkerId, blocks: string, reason: string): void {
    const error = new MillraceError("FETCH_FAILED", `the master has given up worker ${worker}: ${reason}`, {
      fields: { worker, address: blocks },
    });
    this.#gone.set(blocks, error);
    this.#streams.end(blocks, error);
  }

  /** Where it serves its blocks; undefined: nobody told. */
  blocksOf(worker: WorkerId): string | undefined {
    return this.#addresses.get(worker)?.blocks;
  }

  /** It could not be reached there. */
  forget(worker: WorkerId, blocks: string): void {
    if (this.blocksOf(worker) === blocks) this.#addresses.delete(worker);
  }

  /** A stream from the block server at this address. Throws FETCH_FAILED when its worker is given up. */
  async *follow<T>(
    blocks: string,
    open: (signal: AbortSignal) => AsyncIterable<T>,
    signal: AbortSignal,
  ): AsyncGenerator<T, void, void> {
    const gone = this.#gone.get(blocks);
    if (gone !== undefined) throw gone;
    yield* this.#streams.follow(blocks, open, signal);
  }
}
