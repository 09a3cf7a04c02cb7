// Checkpoints: RDDs whose records are written (or kept in the workers' caches) by the first action that needs them, and whose
// lineage is cut then. The action waits: it reads what was written, so functions run once and its answer is the checkpoint's.
//
//   null --checkpoint(), localCheckpoint()--> marked --first action--> writing --job ended, master has cut--> done
//                                                ^--job failed, nobody waits any more, not all cached--'

import { randomUUID } from "node:crypto";
import { isMillraceError, MillraceError } from "../core/errors.js";
import type { NodeId } from "../core/ids.js";
import { cutSource } from "../plan/cut-lineage.js";
import type { CallSite } from "../plan/function.js";
import type { ActionSpec, StorageLevel } from "../plan/lineage.js";
import type { JobRequest } from "./job-client.js";
import type { Checkpoint, CheckpointWriting, NodeHandle } from "./node-handle.js";
import { placementOf } from "./placement.js";

export interface CheckpointPorts {
  /** In the pool and group of the action that waits for it. */
  run(request: Omit<JobRequest, "traits">): Promise<void>;
  persist(handle: NodeHandle, level: StorageLevel): void;
  /** The records are kept: whoever plans with this RDD from now on begins with them. CACHE_FULL where not all are. */
  cutLineage(node: NodeId, url: string | null): Promise<unknown>;
  /** What the RDD was made of: jobs that run may need it. */
  keep(parents: readonly NodeHandle[]): void;
}

export class Checkpoints {
  readonly #ports: CheckpointPorts;
  /** Directory of this session's checkpoints, an absolute URL. */
  #directory: string | null = null;
  /** RDDs marked and not done: actions look at their lineage only while there are some. */
  #marked = 0;

  constructor(ports: CheckpointPorts) {
    this.#ports = ports;
  }

  get directory(): string | null {
    return this.#directory;
  }

  /** Below `url`, in a directory of this call's own: two programs may name the same one. */
  setDirectory(url: string): void {
    this.#directory = `${url.replace(/\/+$/, "")}/${randomUUID()}`;
  }

  /** Throws NO_CHECKPOINT_DIR. Marking twice is marking once; one that is kept in files stays so. */
  mark(handle: NodeHandle, reliable: boolean, callSite: CallSite, callerStack: () => string): void {
    const before = handle.checkpoint;
    if (before !== null && (before.done || before.writing !== null || before.url !== null || !reliable)) return;
    const url = reliable ? `${this.#required(callSite.method)}/rdd-${handle.node.id}` : null;
    if (before === null) this.#marked++;
    handle.checkpoint = { url, callSite, callerStack, tries: 0, done: false, writing: null };
  }

  /** Marked RDDs that `root` is made of, the nearest to it only: what lies below one that will be cut is not read again. */
  pending(root: NodeHandle): NodeHandle[] {
    if (this.#marked === 0) return [];
    const found: NodeHandle[] = [];
    const seen = new Set<NodeHandle>([root]);
    const stack = [root];
    for (let handle = stack.pop(); handle !== undefined; handle = stack.pop()) {
      const { checkpoint } = handle;
      if (checkpoint !== null && !checkpoint.done) {
        found.push(handle);
        continue;
      }
      for (const parent of handle.parents) if (!seen.has(parent)) stack.push(parent) && seen.add(parent);
    }
    // In the order in which they were made: one may be part of another all the same.
    return found.sort((a, b) => a.node.id - b.node.id);
  }

  /**
   * Resolves when all are written, and as soon as the signal is aborted: whoever aborted it hears so from the job that is not
   * started then. Rejects with the error of the first job that fails. A job for which nobody waits any more is cancelled.
   */
  async write(handles: readonly NodeHandle[], signal: AbortSignal | undefined): Promise<void> {
    try {
      for (const handle of handles) {
        const checkpoint = handle.checkpoint as Checkpoint;
        if (checkpoint.done) continue;
        signal?.throwIfAborted();
        checkpoint.writing ??= this.#begin(handle, checkpoint);
        await waited(checkpoint, checkpoint.writing, signal);
      }
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    }
  }

  #begin(handle: NodeHandle, checkpoint: Checkpoint): CheckpointWriting {
    const { callSite, callerStack } = checkpoint;
    if (checkpoint.url !== null && checkpoint.tries++ > 0)
      checkpoint.url = `${checkpoint.url.replace(/-again-\d+$/, "")}-again-${checkpoint.tries - 1}`;
    const { url } = checkpoint;
    const abort = new AbortController();
    const action: ActionSpec = url === null ? { kind: "count" } : { kind: "saveAsObjectFile", url };
    // Unpersisted since it was marked.
    if (url === null && handle.storage === "NONE") this.#ports.persist(handle, "MEMORY_AND_DISK");
    const job = this.#ports.run({ root: handle, action, callSite, callerStack, signal: abort.signal });
    const settled = () => {
      if (checkpoint.writing === writing) checkpoint.writing = null;
    };
    const ended = job.then(() => this.#cut(handle, checkpoint, url)).finally(settled);
    const writing: CheckpointWriting = { ended, abort, waiting: 0 };
    return writing;
  }

  async #cut(handle: NodeHandle, checkpoint: Checkpoint, url: string | null): Promise<void> {
    try {
      await this.#ports.cutLineage(handle.node.id, url);
    } catch (error) {
      // Workers had no room for all of it, in memory or on disk: actions go on with the lineage, and the next one tries again.
      if (isMillraceError(error) && error.code === "CACHE_FULL") return;
      throw error;
    }
    this.#ports.keep(handle.parents);
    becomeKept(handle, url);
    checkpoint.done = true;
    this.#marked--;
  }

  #required(method: string): string {
    if (this.#directory !== null) return this.#directory;
    throw new MillraceError(
      "NO_CHECKPOINT_DIR",
      `${method}: the session has no directory for checkpoints. Call session.setCheckpointDir(path) before, or set the option checkpoint.dir; localCheckpoint() needs none`,
    );
  }
}

/** The node becomes what its kept records are; what it was made of is garbage when nobody else uses it. */
function becomeKept(handle: NodeHandle, url: string | null): void {
  const { id, callSite } = handle.node;
  const placement = placementOf(handle);
  // The bounds of ranges go with the lineage (plan/cut-lineage.ts).
  handle.placement = placement?.kind === "range" ? null : placement;
  const source = cutSource(url, [], { partitions: 0, partitioner: null });
  handle.node = { kind: "source", id, callSite, source };
  handle.parents = [];
}

function waited(checkpoint: Checkpoint, writing: CheckpointWriting, signal: AbortSignal | undefined): Promise<void> {
  writing.waiting++;
  return new Promise((resolve, reject) => {
    const leave = () => {
      writing.waiting--;
      if (writing.waiting === 0) {
        writing.abort.abort(signal?.reason);
        if (checkpoint.writing === writing) checkpoint.writing = null;
      }
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", leave, { once: true });
    const settled = () => signal?.removeEventListener("abort", leave);
    writing.ended.then(
      () => {
        settled();
        resolve();
      },
      (error: unknown) => {
        settled();
        reject(error);
      },
    );
  });
}
