// One driver's session as the master holds it: its lineage, what is persisted, its shuffles, and the way of each job from a
// submission to a stage graph. Submissions are prepared one after the other, because preparing looks at files.

import { MillraceError, toWireError, type WireError } from "../core/errors.js";
import type { BlobHash, JobId, NodeId, SessionId } from "../core/ids.js";
import { abortOutput, commitOutput, type OutputJob, prepareOutput } from "../emrfs/output-committer.js";
import { fileSystemFor } from "../emrfs/registry.js";
import { planSplits } from "../formats/split-planner.js";
import { cutNode, ofCheckpoint } from "../plan/cut-lineage.js";
import { formatCallSite } from "../plan/function.js";
import { type LineageNode, outputUrl, type StorageLevel } from "../plan/lineage.js";
import { lowerJob } from "../plan/lower.js";
import { nodeOf, type ResolvedNode, resolveLineage, sourcesOf } from "../plan/resolve.js";
import { ShuffleTable } from "../plan/shuffle-table.js";
import type { Split, StageGraph } from "../plan/stages.js";
import type { DriverToMaster, SessionSettings } from "../protocol/driver.js";
import type { MasterEvent } from "./events.js";
import { FragmentBlobs } from "./fragment-blobs.js";
import type { PersistedNode } from "./storage-snapshot.js";

type SubmitMessage = DriverToMaster & { readonly kind: "submit" };

export interface SessionHostPorts {
  /** Tells the machine. */
  handle(event: MasterEvent): void;
  /** Keeps a fragment for the workers that will ask for it. */
  putBlob(hash: BlobHash, bytes: Uint8Array): void;
  /** Nobody asks for them any more. */
  dropBlobs(hashes: readonly BlobHash[]): void;
  /** A job that could not be prepared. */
  refused(job: JobId, error: WireError): void;
  /** Something that the user cannot be told any more. */
  warn(message: string): void;
  /** Partitions of a persisted node that lie somewhere. */
  cached(node: NodeId): number;
  /** A job that is about to be given to the machine. */
  prepared(job: JobId, message: SubmitMessage, graph: StageGraph): void;
}

export class SessionHost {
  readonly #ports: SessionHostPorts;
  readonly #nodes = new Map<NodeId, LineageNode>();
  readonly #storage = new Map<NodeId, StorageLevel>();
  readonly #names = new Map<NodeId, string>();
  readonly #splits = new Map<NodeId, Promise<readonly Split[]>>();
  readonly #table = new ShuffleTable();
  readonly #outputs = new Map<JobId, OutputJob>();
  /** Commit and abort of one job's output happen one after the other. */
  readonly #outputWork = new Map<JobId, Promise<unknown>>();
  readonly #cancelled = new Set<JobId>();
  /** Jobs given to the machine that have not ended. */
  readonly #running = new Set<JobId>();
  /** Nodes whose lineage was cut, and the jobs that read them through it still. */
  readonly #cuts = new Map<NodeId, Set<JobId>>();
  /** Submissions that are neither refused nor the machine's yet; with what they are to end, once somebody killed them. */
  readonly #preparing = new Map<JobId, MillraceError | null>();
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  readonly #fragments: FragmentBlobs;

  constructor(
    readonly id: SessionId,
    readonly settings: SessionSettings,
    ports: SessionHostPorts,
  ) {
    this.#ports = ports;
    this.#fragments = new FragmentBlobs((hash, bytes) => ports.putBlob(hash, bytes));
  }

  submit(message: SubmitMessage): void {
    for (const node of message.nodes) this.#nodes.set(node.id, node);
    this.#preparing.set(message.job, null);
    this.#later(async () => {
      try {
        const graph = await this.#prepare(message);
        if (this.#closed || this.#cancelled.delete(message.job)) return await this.abort(message.job);
        const killed = this.#preparing.get(message.job);
        if (killed) throw killed;
        this.#fragments.begun(message.job, graph.stages);
        this.#running.add(message.job);
        this.#ports.prepared(message.job, message, graph);
        const { action } = message;
        const limit = Number(this.settings.options["driver.maxResultSize"] ?? 0);
        const streamed = action.kind === "collect" && action.streamed === true;
        this.#ports.handle({
          kind: "submitted",
          session: this.id,
          graph,
          savesFiles: this.#outputs.has(message.job),
          maxResultBytes: streamed || limit === 0 ? null : limit,
          streamed,
          ...(message.traits === undefined ? {} : { traits: message.traits }),
        });
      } catch (error) {
        await this.abort(message.job);
        this.#ports.refused(message.job, toWireError(error));
      } finally {
        this.#preparing.delete(message.job);
      }
    });
  }

  /** Partitions that a node will have; looks at files, starts nothing. */
  countPartitions(nodes: readonly LineageNode[], node: NodeId): Promise<number> {
    for (const one of nodes) this.#nodes.set(one.id, one);
    return this.#asked(async () => {
      const resolved = resolveLineage(this.#nodes, node, await this.#resolveSources(node));
      return (resolved.get(node) as ResolvedNode).partitions;
    });
  }

  /** A job that may not have reached the machine yet. */
  cancel(job: JobId, reason: string): void {
    this.#cancelled.add(job);
    this.#ports.handle({ kind: "jobCancelled", session: this.id, job, reason });
  }

  /** Jobs that the machine does not know yet. */
  get preparing(): Iterable<JobId> {
    return this.#preparing.keys();
  }

  /** Ends a job with `error`, which its driver is told: unlike a cancelled one, which has settled it by itself. */
  kill(job: JobId, error: MillraceError): void {
    if (this.#preparing.has(job)) this.#preparing.set(job, error);
    else this.#ports.handle({ kind: "jobBroken", session: this.id, job, error: toWireError(error) });
  }

  /** The machine has seen the job's end. */
  forget(job: JobId): void {
    this.#cancelled.delete(job);
    this.#outputs.delete(job);
    this.#running.delete(job);
    const unused = this.#fragments.ended(job);
    if (unused.length > 0) this.#ports.dropBlobs(unused);
    for (const [node, jobs] of this.#cuts) {
      jobs.delete(job);
      if (jobs.size === 0) this.#releaseCut(node);
    }
  }

  /**
   * The node's records are kept in files below `url`, or (null) in the caches: jobs that come after begin with them. The shuffles
   * that it was made of go when the jobs that run now have ended. Answers how many partitions it has. Rejects, with the lineage as
   * it was, where not all of them are kept: CACHE_FULL.
   */
  cutLineage(id: NodeId, url: string | null): Promise<number> {
    return this.#asked(async () => {
      const node = nodeOf(this.#nodes, id);
      const resolved = resolveLineage(this.#nodes, id, await this.#resolveSources(id)).get(id) as ResolvedNode;
      const { partitions } = resolved;
      const cached = this.#ports.cached(id);
      if (url === null && cached < partitions) throw notAllCached(node, cached, partitions);
      this.#nodes.set(id, cutNode(this.#nodes, node, resolved, url));
      this.#splits.delete(id);
      this.#cuts.set(id, new Set(this.#running));
      if (this.#running.size === 0) this.#releaseCut(id);
      return partitions;
    });
  }

  /** What the driver says of a persisted node; undefined for one that is not. */
  persisted(node: NodeId): PersistedNode | undefined {
    const level = this.#storage.get(node);
    const known = this.#nodes.get(node);
    if (level === undefined || known === undefined) return undefined;
    return { level, name: this.#names.get(node) ?? null, callSite: known.callSite };
  }

  persist(node: NodeId, level: StorageLevel, name?: string): void {
    if (level !== "NONE") {
      this.#storage.set(node, level);
      if (name !== undefined) this.#names.set(node, name);
      return;
    }
    this.#names.delete(node);
    if (this.#storage.delete(node)) this.#ports.handle({ kind: "unpersisted", session: this.id, node });
  }

  /** Nodes that the driver will never name again. Waits for the submissions before it, which may still need them. */
  releaseNodes(nodes: readonly NodeId[]): void {
    this.#later(async () => {
      for (const node of nodes) {
        this.persist(node, "NONE");
        this.#splits.delete(node);
        this.#nodes.delete(node);
        this.#cuts.delete(node);
      }
      const shuffles = this.#table.release(nodes);
      if (shuffles.length > 0) this.#ports.handle({ kind: "shufflesReleased", session: this.id, shuffles });
    });
  }

  /** Moves the part files of a job to their final names; after an error nothing of the output is left. */
  commit(
    job: JobId,
    files: readonly { readonly pending: string; readonly final: string }[],
  ): Promise<WireError | null> {
    const output = this.#outputs.get(job);
    if (output === undefined) return Promise.resolve(null);
    return this.#outputStep(job, async () => {
      try {
        await commitOutput(fileSystemFor(output.url), output, files);
        return null;
      } catch (error) {
        await this.#remove(output);
        return toWireError(error, "IO_ERROR");
      }
    });
  }

  /**
   * Removes what a job has written so far, also what a commit that is under way makes visible: its job has failed or was
   * cancelled meanwhile. Idempotent; never rejects.
   */
  abort(job: JobId): Promise<void> {
    const output = this.#outputs.get(job);
    this.#outputs.delete(job);
    return output === undefined ? Promise.resolve() : this.#outputStep(job, () => this.#remove(output));
  }

  /** The work on a job's output that is under way; null when there is none. */
  outputWork(job: JobId): Promise<unknown> | null {
    return this.#outputWork.get(job) ?? null;
  }

  /** Removes what running jobs have written; nothing is prepared any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue;
    for (const job of [...this.#outputs.keys()]) void this.abort(job);
    await Promise.all(this.#outputWork.values());
  }

  #releaseCut(node: NodeId): void {
    this.#cuts.delete(node);
    const shuffles = this.#table.release([node]);
    if (shuffles.length > 0) this.#ports.handle({ kind: "shufflesReleased", session: this.id, shuffles });
  }

  async #prepare(message: SubmitMessage): Promise<StageGraph> {
    const { job, root, action, callSite, accumulators } = message;
    const resolvedSources = await this.#resolveSources(root);
    const url = outputUrl(action);
    if (url !== null) {
      const output = { url, session: this.id, job };
      await prepareOutput(fileSystemFor(url), output);
      this.#outputs.set(job, output);
    }
    const flushBytes = this.settings.options["shuffle.flushBytes"];
    return lowerJob({
      job,
      nodes: this.#nodes,
      root,
      action,
      callSite,
      resolvedSources,
      storage: this.#storage,
      accumulators,
      table: this.#table,
      ...(typeof flushBytes === "number" ? { flushBytes } : {}),
    });
  }

  /** Files are looked at once a source: an RDD's partitions never change. Those of a checkpoint must all be there still. */
  async #resolveSources(root: NodeId): Promise<Map<NodeId, readonly Split[]>> {
    const resolved = new Map<NodeId, readonly Split[]>();
    for (const { id, source } of sourcesOf(this.#nodes, root)) {
      let splits = this.#splits.get(id);
      if (splits === undefined) {
        const planned = planSplits(source, fileSystemFor).catch((error: unknown) => {
          throw ofCheckpoint(source, error);
        });
        splits = planned;
        if (source.kind !== "object" || source.checkpoint === undefined) this.#splits.set(id, planned);
        // A path that is not there today may be there at the next action.
        planned.catch(() => this.#splits.delete(id));
      }
      resolved.set(id, await splits);
    }
    return resolved;
  }

  async #remove(output: OutputJob): Promise<void> {
    try {
      await abortOutput(fileSystemFor(output.url), output);
    } catch (error) {
      this.#ports.warn(
        `the output ${output.url} of job ${output.job} could not be removed: ${(error as Error).message}`,
      );
    }
  }

  #outputStep<T>(job: JobId, work: () => Promise<T>): Promise<T> {
    const done = (this.#outputWork.get(job) ?? Promise.resolve()).then(work);
    this.#outputWork.set(job, done);
    void done.finally(() => this.#outputWork.get(job) === done && this.#outputWork.delete(job));
    return done;
  }

  /** What the driver waits for. */
  #asked<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => this.#later(() => work().then(resolve, reject)));
  }

  #later(work: () => Promise<void>): void {
    this.#queue = this.#queue.then(work);
  }
}

function notAllCached(node: LineageNode, cached: number, partitions: number): MillraceError {
  return new MillraceError(
    "CACHE_FULL",
    `${formatCallSite(node.callSite)}: ${cached} of ${partitions} partitions are cached, so the lineage is not cut yet`,
    { fields: { node: node.id, cached, partitions } },
  );
}
