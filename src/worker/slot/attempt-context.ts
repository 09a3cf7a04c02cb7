// The TaskContext of one attempt: sources, shuffle files, cache, budget and functions as operators see them. It knows where
// things lie in this process; it decides nothing.

import { readFileSync } from "node:fs";
import type { CacheWriter, FrameSource, ShuffleOutput } from "../../codec/frame-flow.js";
import { decodeStream } from "../../codec/stream.js";
import type { BatchSource, PartFile } from "../../core/data-flow.js";
import { MillraceError } from "../../core/errors.js";
import type { NodeId, ShuffleId, StageId, WorkerId } from "../../core/ids.js";
import { unpack } from "../../core/packed.js";
import { type MutableMetrics, noMetrics, recordsReadIn, shuffleBytesReadIn } from "../../core/task-metrics.js";
import { openPartFile } from "../../emrfs/output-committer.js";
import { openSplit } from "../../formats/open-split.js";
import type { MapRange, TaskContext } from "../../operators/task-context.js";
import type { FunctionRef } from "../../plan/function.js";
import type { RunningTask } from "../../plan/handles.js";
import type { StorageLevel } from "../../plan/lineage.js";
import type { JoinParts } from "../../plan/skew.js";
import type { FragmentNode, Partitioner } from "../../plan/stages.js";
import { generationOf } from "../../protocol/tasks.js";
import { ShuffleFrameReader } from "../../shuffle/frame-reader.js";
import { MapOutputWriter } from "../../shuffle/map-output-writer.js";
import { createPartitionFunction } from "../../shuffle/partitioners.js";
import { attemptDirectory, attemptFile, mapOutputPath } from "../../shuffle/paths.js";
import { FileSpillStore } from "../../shuffle/spill-store.js";
import type { BlockingChannel } from "./blocking-channel.js";
import { SharedCacheWriter } from "./cache-writer.js";
import { BufferFrameSource, StreamFrameSource } from "./cached-frames.js";
import { collectIfAsked } from "./collect-garbage.js";
import type { ControlRow } from "./control-row.js";
import { heapBytes } from "./heap-bytes.js";
import type { CacheOffer, SlotRun, SlotSettings } from "./messages.js";
import type { SlotSession } from "./slot-session.js";
import { TaskMemory } from "./task-memory.js";

export interface AttemptEnvironment {
  readonly settings: SlotSettings;
  readonly control: ControlRow;
  readonly channel: BlockingChannel;
}

/** How often a running attempt tells the memory watch what its isolate holds. */
const REPORT_EVERY_MS = 10;

export class AttemptContext implements TaskContext {
  readonly partition: number;
  readonly memory: TaskMemory;
  readonly spill: FileSpillStore;
  readonly offers: CacheOffer[] = [];
  #cacheWriters = 0;
  readonly metrics: MutableMetrics = { ...noMetrics };
  /** The worker that held the cached partition which was opened last; null: none was. */
  cachedFrom: WorkerId | null = null;
  readonly #abort = new AbortController();
  #reportedAt = 0;
  readonly #outputs: MapOutputWriter[] = [];

  constructor(
    private readonly call: SlotRun,
    private readonly session: SlotSession,
    private readonly environment: AttemptEnvironment,
  ) {
    const { settings, control } = environment;
    this.partition = call.launch.slice?.partition ?? call.launch.key.partition;
    this.memory = new TaskMemory(settings.taskBytes, control);
    this.spill = new FileSpillStore(attemptDirectory(settings.address.directory, call.launch.key));
  }

  get classes() {
    return this.session.classes;
  }

  get joinParts(): JoinParts | null {
    return this.call.launch.slice?.parts ?? null;
  }

  get shuffleEncoding() {
    return this.environment.settings;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  readonly checkCancelled = (): void => {
    const { control } = this.environment;
    if (control.isCancelled(this.call.run)) {
      this.#abort.abort();
      throw new MillraceError("TASK_CANCELLED", "the task was cancelled with its job");
    }
    const now = Date.now();
    if (now - this.#reportedAt < REPORT_EVERY_MS) return;
    this.#reportedAt = now;
    collectIfAsked(control);
    control.report(heapBytes(), now);
    const { metrics } = this;
    control.setProgress(recordsReadIn(metrics), metrics.inputBytes + shuffleBytesReadIn(metrics));
  };

  /** For attempts that wait: aborts `signal` once the attempt is cancelled. */
  readonly watchCancel = (): void => {
    if (this.environment.control.isCancelled(this.call.run)) this.#abort.abort();
  };

  /** What functions may know of the attempt that runs them. */
  get running(): RunningTask {
    const { key, splits } = this.call.launch;
    const { directory, worker } = this.environment.settings.address;
    return { key, splits: splits.map(({ split }) => split), worker, scratch: attemptFile(directory, key, "work") };
  }

  /** Operators pass it on by itself. */
  readonly revive = (fn: FunctionRef): ((...args: never[]) => unknown) => this.session.revive(fn);

  openSplit(node: FragmentNode, partition: number): BatchSource {
    const found = this.call.launch.splits.find((one) => one.node === node.id && one.partition === partition);
    if (found === undefined)
      throw new MillraceError("INTERNAL", `no split came for partition ${partition} of node ${node.id}`);
    if (node.format === undefined) throw new MillraceError("INTERNAL", `source node ${node.id} has no format`);
    return openSplit(node.format, found.split, this.classes);
  }

  openShuffle(shuffle: ShuffleId, partition: number, maps?: MapRange): FrameSource {
    const plan = this.session.fetchPlans.get(shuffle);
    if (plan === undefined) {
      // A cached partition below was counted on and is gone: the master computes the shuffle and tries again.
      const { worker } = this.environment.settings.address;
      throw new MillraceError(
        "FETCH_FAILED",
        `shuffle ${shuffle}, reduce partition ${partition}: nobody told where its blocks lie`,
        {
          fields: { shuffle, partition, worker, map: -1 },
        },
      );
    }
    return new ShuffleFrameReader({
      plan,
      partition,
      ...(maps === undefined ? {} : { maps }),
      files: this.session.files,
      metrics: this.metrics,
      openRemote: (request) => {
        const streams = plan.requests.length;
        const stream = this.environment.channel.open(
          { kind: "blocks", request, partition, streams },
          this.checkCancelled,
        );
        return { pull: () => this.#waitFor(stream), close: () => stream.close() };
      },
    });
  }

  openShuffleOutput(shuffle: ShuffleId, partitions: number): ShuffleOutput {
    const { session, stage, partition, attempt } = this.call.launch.key;
    const { directory } = this.environment.settings.address;
    const path = mapOutputPath(directory, {
      session,
      shuffle,
      map: partition,
      stage,
      attempt,
    });
    const pendingPath = attemptFile(directory, this.call.launch.key, `shuffle-${shuffle}`);
    const writer = new MapOutputWriter({ path, pendingPath, partitions, memory: this.memory, spill: this.spill });
    this.#outputs.push(writer);
    return writer;
  }

  partitionOf(partitioner: Partitioner): (key: unknown) => number {
    return createPartitionFunction(partitioner, {
      mapPartition: this.partition,
      revive: (fn) => this.revive(fn),
      bounds: (range) => decodeStream(this.value(range.bounds)[0] as Uint8Array, this.classes),
    });
  }

  value(stage: StageId): readonly Uint8Array[] {
    const input = this.call.launch.values.find((one) => one.stage === stage);
    if (input === undefined) {
      // As for a shuffle: they were not needed while a cached partition below was there. No map of any shuffle is to blame.
      const { worker } = this.environment.settings.address;
      throw new MillraceError("FETCH_FAILED", `the values of stage ${stage} did not come with the task`, {
        fields: { stage, shuffle: 0, worker, map: -1 },
      });
    }
    if (input.blob === undefined) return input.parts;
    const request = { kind: "blob", session: this.call.launch.key.session, hash: input.blob } as const;
    return unpack<Uint8Array[]>(this.environment.channel.request(request, this.checkCancelled));
  }

  openCached(node: NodeId, partition: number): FrameSource | null {
    const here = this.call.cached.find((one) => one.node === node && one.partition === partition);
    if (here !== undefined) {
      const { frames } = here;
      const bytes = frames instanceof SharedArrayBuffer ? new Uint8Array(frames) : readIfThere(frames);
      if (bytes !== null) {
        this.cachedFrom = this.environment.settings.address.worker;
        return new BufferFrameSource(bytes, here.schemas);
      }
    }
    const there = this.call.launch.cached.find((one) => one.node === node && one.partition === partition);
    if (there === undefined || there.worker === this.environment.settings.address.worker) return null;
    const request = {
      kind: "cached",
      session: this.call.launch.key.session,
      node,
      partition,
      generation: generationOf(this.call.launch, node),
      worker: there.worker,
    } as const;
    this.cachedFrom = there.worker;
    return StreamFrameSource.open(this.environment.channel.open(request, this.checkCancelled));
  }

  openCacheWriter(node: NodeId, partition: number, level: StorageLevel): CacheWriter {
    const { address, cacheBytes } = this.environment.settings;
    const { key } = this.call.launch;
    return new SharedCacheWriter({
      session: key.session,
      node,
      partition,
      generation: generationOf(this.call.launch, node),
      level,
      memoryLimitBytes: cacheBytes,
      memory: this.memory,
      // One that the task reads twice is written twice, each to its own file: the first that is offered stays.
      path: attemptFile(address.directory, key, `cache-${node}-${partition}-${this.#cacheWriters++}`),
      offer: (offer) => this.offers.push(offer),
    });
  }

  openPartFile(url: string, _partition: number, compression: "none" | "gzip", output?: string): PartFile {
    return openPartFile(url, this.call.launch.key, compression, output);
  }

  /** Removes scratch files and gives back what is still reserved. */
  close(): void {
    this.spill.dispose();
    this.environment.control.reservedBytes = 0;
    this.environment.control.clearHolders();
  }

  #waitFor(stream: { next(): Uint8Array | null }): Uint8Array | null {
    const started = performance.now();
    try {
      return stream.next();
    } finally {
      this.metrics.shuffleFetchWaitTime += performance.now() - started;
    }
  }

  /** What was counted elsewhere, added to the metrics: at the attempt's end. */
  collectMetrics(): MutableMetrics {
    const { metrics, spill } = this;
    metrics.memoryBytesSpilled = spill.memoryBytes;
    metrics.diskBytesSpilled = spill.writtenBytes;
    metrics.peakExecutionMemory = this.environment.control.peakBytes;
    metrics.shuffleWriteTime = this.#outputs.reduce((sum, { writeMs }) => sum + writeMs, 0);
    return metrics;
  }
}

/**
 * A partition that went to disk. null: it was let go of (unpersisted, replaced) since the task was launched, and is computed
 * again. Throws BLOCK_CORRUPT where its file has other bytes than it had.
 */
function readIfThere({ path, bytes }: { readonly path: string; readonly bytes: number }): Uint8Array | null {
  try {
    const read = readFileSync(path);
    if (read.byteLength === bytes) return read;
    throw new MillraceError("BLOCK_CORRUPT", `the cached partition ${path} has ${read.byteLength} bytes, not ${bytes}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
