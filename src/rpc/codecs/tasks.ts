// protocol/tasks.ts <-> protobuf: keys, launches, statuses, map-output locations. toProto is total; fromProto checks and
// names what is missing. These are the hot messages: 100 launches or statuses take well under a millisecond each way.

import type { BlobHash, NodeId, SessionId, ShuffleId, StageId, TaskKey, WorkerId } from "../../core/ids.js";
import type { AccumulatorKind } from "../../core/user-metrics.js";
import type { HotKey, TaskSlice } from "../../plan/skew.js";
import type { Split, TaskSplit } from "../../plan/stages.js";
import type {
  AccumulatorUpdate,
  Locality,
  MapOutputLocations,
  TaskLaunch,
  TaskMetrics,
  TaskResult,
  TaskStatus,
  ValueInput,
  WorkerAddress,
} from "../../protocol/tasks.js";
import type { millrace as pb } from "../generated/messages.js";
import { fromProtoError, toProtoError } from "./errors.js";
import { decodeSizes, encodeSizes } from "./size-scale.js";
import { enumMapping, malformed, mutable, plainBytes, required, requiredText } from "./wire.js";

const kinds = enumMapping<AccumulatorKind>({ custom: 0, sum: 1, counter: 2, timer: 3, histogram: 4 });
const localities = enumMapping<Locality>({ PROCESS_LOCAL: 1, NODE_LOCAL: 2, NO_PREF: 3, ANY: 4 });

export function fromProtoKey(message: pb.TaskKey | null | undefined, field: string): TaskKey {
  const key = required(message, field);
  return {
    session: requiredText(key.session, `${field}.session`) as SessionId,
    job: key.job as TaskKey["job"],
    stage: key.stage as StageId,
    partition: key.partition,
    attempt: key.attempt,
  };
}

export function toProtoLaunch(launch: TaskLaunch): pb.TaskLaunch.$Properties {
  return {
    key: launch.key,
    fragment: launch.fragment,
    splits: launch.splits.map(toProtoTaskSplit),
    values: launch.values.map((value) => ({
      stage: value.stage,
      parts: value.parts as Uint8Array[],
      blob: value.blob ?? null,
    })),
    cached: mutable(launch.cached),
    shuffles: mutable(launch.shuffles),
    locality: localities.to[launch.locality],
    ...(launch.alone === undefined ? {} : { alone: true }),
    ...(launch.speculative === undefined ? {} : { speculative: true }),
    ...(launch.generations === undefined ? {} : { generations: mutable(launch.generations) }),
    ...(launch.slice === undefined ? {} : { slice: toProtoSlice(launch.slice) }),
    ...(launch.more === undefined ? {} : { more: mutable(launch.more) }),
  };
}

export function fromProtoLaunch(message: pb.TaskLaunch): TaskLaunch {
  return {
    key: fromProtoKey(message.key, "TaskLaunch.key"),
    fragment: requiredText(message.fragment, "TaskLaunch.fragment") as BlobHash,
    splits: message.splits.map(fromProtoTaskSplit),
    values: message.values.map(fromProtoValue),
    cached: message.cached.map((cached) => ({
      node: cached.node as NodeId,
      partition: cached.partition,
      worker: requiredText(cached.worker, "CachedLocation.worker") as WorkerId,
    })),
    shuffles: message.shuffles.map(({ shuffle, version }) => ({ shuffle: shuffle as ShuffleId, version })),
    locality: localities.from(message.locality, "TaskLaunch.locality"),
    ...(message.alone ? { alone: true } : {}),
    ...(message.speculative ? { speculative: true } : {}),
    ...(message.generations.length === 0
      ? {}
      : { generations: message.generations.map(({ node, generation }) => ({ node: node as NodeId, generation })) }),
    ...(message.slice == null ? {} : { slice: fromProtoSlice(message.slice) }),
    ...(message.more.length === 0
      ? {}
      : { more: message.more.map(({ partition, attempt }) => ({ partition, attempt })) }),
  };
}

function toProtoSlice({ partition, parts }: TaskSlice): pb.TaskSlice.$Properties {
  if (parts === null) return { partition };
  return { partition, parts: { shuffle: parts.shuffle, cuts: mutable(parts.cuts) } };
}

function fromProtoHotKey({ key, partition, records }: pb.HotKey): HotKey {
  return { key, partition, records };
}

function fromProtoSlice({ partition, parts }: pb.TaskSlice): TaskSlice {
  if (parts == null) return { partition, parts: null };
  return { partition, parts: { shuffle: parts.shuffle as ShuffleId, cuts: parts.cuts } };
}

export function toProtoStatus(status: TaskStatus): pb.TaskStatus.$Properties {
  if (status.kind === "running") return { key: status.key, running: { slot: status.slot } };
  const { key, outcome } = status;
  switch (outcome.kind) {
    case "succeeded":
      return {
        key,
        succeeded: {
          result: toProtoResult(outcome.result),
          accumulators: outcome.accumulators.map(toProtoAccumulator),
          metrics: outcome.metrics,
          cached: mutable(outcome.cached),
        },
      };
    case "failed": {
      const { error, metrics } = outcome;
      return {
        key,
        failed: { error: toProtoError(error), ...(metrics === null ? {} : { metrics }) },
      };
    }
    case "fetchFailed": {
      const { shuffle, map, worker, error } = outcome;
      return { key, fetchFailed: { shuffle, map, worker, error: toProtoError(error) } };
    }
    case "cancelled":
      return { key, cancelled: {} };
  }
}

export function fromProtoStatus(message: pb.TaskStatus): TaskStatus {
  const key = fromProtoKey(message.key, "TaskStatus.key");
  const { running, succeeded, failed, fetchFailed, cancelled } = message;
  if (succeeded != null) {
    const cached = succeeded.cached.map((at) => ({
      node: at.node as NodeId,
      partition: at.partition,
      sizeBytes: at.sizeBytes,
      ...(at.generation === 0 ? {} : { generation: at.generation }),
    }));
    return {
      kind: "ended",
      key,
      outcome: {
        kind: "succeeded",
        result: fromProtoResult(succeeded.result),
        accumulators: succeeded.accumulators.map(fromProtoAccumulator),
        metrics: fromProtoMetrics(required(succeeded.metrics, "Succeeded.metrics")),
        cached,
      },
    };
  }
  if (running != null) return { kind: "running", key, slot: running.slot };
  if (failed != null) {
    const metrics = failed.metrics == null ? null : fromProtoMetrics(failed.metrics);
    return {
      kind: "ended",
      key,
      outcome: { kind: "failed", error: fromProtoError(failed.error, "Failed.error"), metrics },
    };
  }
  if (fetchFailed != null) {
    return {
      kind: "ended",
      key,
      outcome: {
        kind: "fetchFailed",
        shuffle: fetchFailed.shuffle as ShuffleId,
        map: fetchFailed.map,
        worker: requiredText(fetchFailed.worker, "FetchFailed.worker") as WorkerId,
        error: fromProtoError(fetchFailed.error, "FetchFailed.error"),
      },
    };
  }
  if (cancelled != null) return { kind: "ended", key, outcome: { kind: "cancelled" } };
  throw malformed("TaskStatus.kind is missing");
}

/** A worker that `outputs` name stands once in a table, whether or not `workers` has its address. */
export function toProtoLocations(locations: MapOutputLocations): pb.MapOutputLocations.$Properties {
  const index = new Map<string, number>();
  const holders = locations.outputs.map(({ worker }) => {
    const known = index.get(worker);
    if (known !== undefined) return known;
    index.set(worker, index.size);
    return index.size - 1;
  });
  return {
    session: locations.session,
    shuffle: locations.shuffle,
    version: locations.version,
    workerIds: [...index.keys()],
    holders,
    stages: locations.outputs.map((output) => output.stage),
    attempts: locations.outputs.map((output) => output.attempt),
    workers: mutable(locations.workers),
  };
}

export function fromProtoLocations(message: pb.MapOutputLocations): MapOutputLocations {
  const { holders, stages, attempts, workerIds } = message;
  if (stages.length !== holders.length || attempts.length !== holders.length) {
    throw malformed("MapOutputLocations has columns of different lengths");
  }
  return {
    session: requiredText(message.session, "MapOutputLocations.session") as SessionId,
    shuffle: message.shuffle as ShuffleId,
    version: message.version,
    outputs: holders.map((holder, i) => ({
      worker: requiredText(workerIds[holder], "MapOutputLocations.workerIds") as WorkerId,
      stage: stages[i] as StageId,
      attempt: attempts[i] as number,
    })),
    workers: message.workers.map((worker) => fromProtoAddress(worker, "MapOutputLocations.workers")),
  };
}

/** `blocks` is empty for a worker in the same process, so it may be absent. */
export function fromProtoAddress(message: pb.WorkerAddress | null | undefined, field: string): WorkerAddress {
  const { worker, machine, blocks, directory } = required(message, field);
  return { worker: requiredText(worker, `${field}.worker`) as WorkerId, machine, blocks, directory };
}

export function toProtoAccumulator(update: AccumulatorUpdate): pb.AccumulatorUpdate.$Properties {
  const { accumulator, value, name, kind, numbers } = update;
  return {
    accumulator,
    value,
    ...(name === undefined ? {} : { name }),
    ...(kind === undefined ? {} : { kind: kinds.to[kind] }),
    ...(numbers === undefined ? {} : { numbers: mutable(numbers) }),
  };
}

export function fromProtoAccumulator(message: pb.AccumulatorUpdate): AccumulatorUpdate {
  const { accumulator, value, name, kind, numbers } = message;
  return {
    accumulator,
    value: plainBytes(value),
    ...(name == null ? {} : { name }),
    ...(kind === 0 ? {} : { kind: kinds.from(kind, "AccumulatorUpdate.kind") }),
    ...(numbers.length === 0 ? {} : { numbers }),
  };
}

function toProtoTaskSplit({ node, partition, split }: TaskSplit): pb.TaskSplit.$Properties {
  return { node, partition, split: toProtoSplit(split) };
}

function toProtoSplit(split: Split): pb.Split.$Properties {
  switch (split.kind) {
    case "file":
      return { file: split };
    case "bytes":
      return { bytes: split.bytes };
    case "range":
      return { range: split };
    case "files":
      return { files: { files: split.files.map((file) => ({ ...file, start: 0, length: file.fileSize })) } };
  }
}

function fromProtoTaskSplit({ node, partition, split }: pb.TaskSplit): TaskSplit {
  return { node: node as NodeId, partition, split: fromProtoSplit(required(split, "TaskSplit.split")) };
}

function fromProtoSplit({ file, bytes, range, files }: pb.Split): Split {
  if (file != null) return { kind: "file", ...fromProtoFile(file), start: file.start, length: file.length };
  if (files != null) return { kind: "files", files: files.files.map(fromProtoFile) };
  if (range != null) return { kind: "range", start: range.start, step: range.step, count: range.count };
  if (bytes != null) return { kind: "bytes", bytes: plainBytes(bytes) };
  throw malformed("Split.kind is missing");
}

function fromProtoFile({ url, fileSize, modifiedMs, compression }: pb.FileSplit) {
  if (compression !== "none" && compression !== "gzip") throw malformed(`FileSplit.compression is ${compression}`);
  return { url: requiredText(url, "FileSplit.url"), fileSize, modifiedMs, compression } as const;
}

function fromProtoValue({ stage, parts, blob }: pb.ValueInput): ValueInput {
  return { stage: stage as StageId, parts: parts.map(plainBytes), ...(blob == null ? {} : { blob: blob as BlobHash }) };
}

function toProtoResult(result: TaskResult): pb.TaskResult.$Properties {
  switch (result.kind) {
    case "inline":
      return { inline: result };
    case "block":
      return { block: result };
    case "mapOutput": {
      const { sizes, records, checksum, weights = [], hotKeys = [] } = result.output;
      const statistics = { weights: encodeSizes(weights), hotKeys: mutable(hotKeys) };
      return { mapOutput: { shuffle: result.shuffle, sizes: encodeSizes(sizes), records, checksum, ...statistics } };
    }
    case "file":
      return { file: { ...result, also: mutable(result.also ?? []) } };
  }
}

function fromProtoResult(message: pb.TaskResult | null | undefined): TaskResult {
  const { inline, block, mapOutput, file } = required(message, "Succeeded.result");
  if (mapOutput != null) {
    const { shuffle, sizes, records, checksum, weights, hotKeys } = mapOutput;
    return {
      kind: "mapOutput",
      shuffle: shuffle as ShuffleId,
      output: {
        sizes: decodeSizes(sizes),
        records,
        checksum: requiredText(checksum, "MapOutput.checksum"),
        ...(weights.byteLength === 0 ? {} : { weights: decodeSizes(weights) }),
        ...(hotKeys.length === 0 ? {} : { hotKeys: hotKeys.map(fromProtoHotKey) }),
      },
    };
  }
  if (inline != null) return { kind: "inline", bytes: plainBytes(inline.bytes), records: inline.records };
  if (block != null) return { kind: "block", sizeBytes: block.sizeBytes, records: block.records };
  if (file != null) {
    const pending = requiredText(file.pending, "FileResult.pending");
    return {
      kind: "file",
      pending,
      final: requiredText(file.final, "FileResult.final"),
      sizeBytes: file.sizeBytes,
      records: file.records,
      ...(file.also.length === 0 ? {} : { also: file.also.map(fromProtoPending) }),
    };
  }
  throw malformed("TaskResult.kind is missing");
}

function fromProtoPending({ pending, final }: pb.PendingFile) {
  return {
    pending: requiredText(pending, "PendingFile.pending"),
    final: requiredText(final, "PendingFile.final"),
  };
}

/** Written out: it runs once a task in the master. */
function fromProtoMetrics(message: pb.TaskMetrics): TaskMetrics {
  return {
    executorRunTime: message.executorRunTime,
    executorCpuTime: message.executorCpuTime,
    gcTime: message.gcTime,
    resultSize: message.resultSize,
    memoryBytesSpilled: message.memoryBytesSpilled,
    diskBytesSpilled: message.diskBytesSpilled,
    peakExecutionMemory: message.peakExecutionMemory,
    inputRecords: message.inputRecords,
    inputBytes: message.inputBytes,
    outputRecords: message.outputRecords,
    outputBytes: message.outputBytes,
    shuffleReadRecords: message.shuffleReadRecords,
    shuffleLocalBlocksFetched: message.shuffleLocalBlocksFetched,
    shuffleRemoteBlocksFetched: message.shuffleRemoteBlocksFetched,
    shuffleLocalBytesRead: message.shuffleLocalBytesRead,
    shuffleRemoteBytesRead: message.shuffleRemoteBytesRead,
    shuffleFetchWaitTime: message.shuffleFetchWaitTime,
    shuffleWriteRecords: message.shuffleWriteRecords,
    shuffleWriteBytes: message.shuffleWriteBytes,
    shuffleWriteTime: message.shuffleWriteTime,
  };
}
