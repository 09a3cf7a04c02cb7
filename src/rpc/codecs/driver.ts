// protocol/driver.ts <-> bytes: the conversation of a driver's session and the master. Lineage, actions and summaries travel
// packed: only the planner and the user's side look into them.

import type { WireError } from "../../core/errors.js";
import type { BlobHash, JobId, NodeId, SessionId, StageId } from "../../core/ids.js";
import { pack, unpack } from "../../core/packed.js";
import type { PoolDefinitions } from "../../core/scheduler-pools.js";
import type { NamedValue } from "../../core/user-metrics.js";
import type { CallSite } from "../../plan/function.js";
import type { ActionSpec, LineageNode, StorageLevel } from "../../plan/lineage.js";
import type {
  DriverToMaster,
  JobSummary,
  JobTraits,
  MasterToDriver,
  SessionSettings,
  StageProgress,
} from "../../protocol/driver.js";
import { millrace as pb } from "../generated/messages.js";
import { fromProtoError, toProtoError } from "./errors.js";
import { fromProtoAccumulator, toProtoAccumulator } from "./tasks.js";
import { decodeWith, enumMapping, malformed, plainBytes, required, requiredText } from "./wire.js";

const levels = enumMapping<StorageLevel>({ NONE: 1, MEMORY_ONLY: 2, MEMORY_AND_DISK: 3, DISK_ONLY: 4 });

export function encodeDriverMessage(message: DriverToMaster): Uint8Array {
  return pb.DriverToMaster.encode(toProtoDriverMessage(message)).finish();
}

/** @throws PROTOCOL_ERROR, naming the field */
export function decodeDriverMessage(bytes: Uint8Array): DriverToMaster {
  return decodeWith("DriverToMaster", bytes, (b) => pb.DriverToMaster.decode(b), fromProtoDriverMessage);
}

export function encodeMasterToDriver(message: MasterToDriver): Uint8Array {
  return pb.MasterToDriver.encode(toProtoMasterMessage(message)).finish();
}

/** @throws PROTOCOL_ERROR, naming the field */
export function decodeMasterToDriver(bytes: Uint8Array): MasterToDriver {
  return decodeWith("MasterToDriver", bytes, (b) => pb.MasterToDriver.decode(b), fromProtoMasterMessage);
}

function toProtoDriverMessage(message: DriverToMaster): pb.DriverToMaster.$Properties {
  switch (message.kind) {
    case "open":
      return { open: { settings: pack(message.settings) } };
    case "blob":
      return { blob: message };
    case "submit": {
      const { job, nodes, root, action, callSite, accumulators, traits } = message;
      const packed = { nodes: pack(nodes), action: pack(action), callSite: pack(callSite) };
      const given = traits === undefined ? null : pack(traits);
      return { submit: { job, root, accumulators: accumulators as number[], ...packed, traits: given } };
    }
    case "pools":
      return { pools: { pools: pack(message.pools) } };
    case "countPartitions":
      return { countPartitions: { request: message.request, nodes: pack(message.nodes), node: message.node } };
    case "cancel":
      return { cancel: { job: message.job, reason: message.reason } };
    case "acknowledge":
      return { acknowledge: message };
    case "persist":
      return { persist: { node: message.node, level: levels.to[message.level], name: message.name ?? null } };
    case "cutLineage":
      return { cutLineage: { request: message.request, node: message.node, url: message.url } };
    case "accumulatorValues":
      return { accumulatorValues: { job: message.job, values: pack(message.values) } };
    case "releaseNodes":
      return { releaseNodes: { nodes: message.nodes as NodeId[] } };
    case "releaseBlob":
      return { releaseBlob: { hash: message.hash, everywhere: message.scope === "everywhere" } };
    case "heartbeat":
      return { heartbeat: {} };
    case "close":
      return { close: {} };
  }
}

function fromProtoDriverMessage(message: pb.DriverToMaster): DriverToMaster {
  switch (message.kind) {
    case "open":
      return { kind: "open", settings: unpackField<SessionSettings>(message.open?.settings, "OpenSession.settings") };
    case "blob": {
      const { hash, bytes, last } = required(message.blob, "blob");
      return { kind: "blob", hash: requiredText(hash, "BlobPiece.hash") as BlobHash, bytes: plainBytes(bytes), last };
    }
    case "submit": {
      const submit = required(message.submit, "submit");
      return {
        kind: "submit",
        job: submit.job as JobId,
        nodes: unpackField<LineageNode[]>(submit.nodes, "SubmitJob.nodes"),
        root: submit.root as NodeId,
        action: unpackField<ActionSpec>(submit.action, "SubmitJob.action"),
        callSite: unpackField<CallSite>(submit.callSite, "SubmitJob.callSite"),
        accumulators: submit.accumulators,
        ...(submit.traits == null ? {} : { traits: unpackField<JobTraits>(submit.traits, "SubmitJob.traits") }),
      };
    }
    case "pools":
      return { kind: "pools", pools: unpackField<PoolDefinitions>(message.pools?.pools, "DefinePools.pools") };
    case "countPartitions": {
      const { request, nodes, node } = required(message.countPartitions, "countPartitions");
      const lineage = unpackField<LineageNode[]>(nodes, "CountPartitions.nodes");
      return { kind: "countPartitions", request, nodes: lineage, node: node as NodeId };
    }
    case "cancel": {
      const { job, reason } = required(message.cancel, "cancel");
      return { kind: "cancel", job: job as JobId, reason };
    }
    case "acknowledge": {
      const { job, bytes, round } = required(message.acknowledge, "acknowledge");
      return { kind: "acknowledge", job: job as JobId, bytes, ...(round === 0 ? {} : { round }) };
    }
    case "persist": {
      const { node, level, name } = required(message.persist, "persist");
      const named = name == null ? {} : { name };
      return { kind: "persist", node: node as NodeId, level: levels.from(level, "Persist.level"), ...named };
    }
    case "cutLineage": {
      const { request, node, url } = required(message.cutLineage, "cutLineage");
      return { kind: "cutLineage", request, node: node as NodeId, url: url ?? null };
    }
    case "accumulatorValues": {
      const { job, values } = required(message.accumulatorValues, "accumulatorValues");
      const unpacked = unpackField<NamedValue[]>(values, "AccumulatorValues.values");
      return { kind: "accumulatorValues", job: job as JobId, values: unpacked };
    }
    case "releaseNodes":
      return { kind: "releaseNodes", nodes: required(message.releaseNodes, "releaseNodes").nodes as NodeId[] };
    case "releaseBlob": {
      const { hash, everywhere } = required(message.releaseBlob, "releaseBlob");
      const scope = everywhere ? "everywhere" : "workers";
      return { kind: "releaseBlob", hash: requiredText(hash, "ReleaseBlob.hash") as BlobHash, scope };
    }
    case "heartbeat":
      return { kind: "heartbeat" };
    case "close":
      return { kind: "close" };
    default:
      throw malformed("DriverToMaster.kind is missing");
  }
}

function toProtoMasterMessage(message: MasterToDriver): pb.MasterToDriver.$Properties {
  switch (message.kind) {
    case "opened":
      return { opened: message };
    case "heartbeat":
      return { heartbeat: {} };
    case "refused":
      return { refused: toProtoError(message.error) };
    case "partitions": {
      const { request, count, error } = message;
      return { partitions: { request, count, ...errorField(error) } };
    }
    case "result":
      return { result: message };
    case "resultsRestarted":
      return { resultsRestarted: message };
    case "accumulators": {
      return { accumulators: { job: message.job, updates: message.updates.map(toProtoAccumulator) } };
    }
    case "jobEnded": {
      const { job, error, summary } = message;
      return { jobEnded: { job, ...errorField(error), summary: pack(summary) } };
    }
    case "log": {
      const { stage, partition, stream, text, dropped = 0 } = message;
      return { log: { stage, partition, stderr: stream === "stderr", text, dropped } };
    }
    case "progress":
      return { progress: { stages: pack(message.stages) } };
    case "closed":
      return { closed: errorField(message.error) };
  }
}

function fromProtoMasterMessage(message: pb.MasterToDriver): MasterToDriver {
  switch (message.kind) {
    case "opened": {
      const { session, slots, heartbeatMs } = required(message.opened, "opened");
      return { kind: "opened", session: requiredText(session, "Opened.session") as SessionId, slots, heartbeatMs };
    }
    case "heartbeat":
      return { kind: "heartbeat" };
    case "refused":
      return { kind: "refused", error: fromProtoError(message.refused, "MasterToDriver.refused") };
    case "partitions": {
      const { request, count, error } = required(message.partitions, "partitions");
      return { kind: "partitions", request, count: count ?? null, error: errorOrNull(error, "Partitions.error") };
    }
    case "result": {
      const { job, partition, bytes, last, records } = required(message.result, "result");
      return { kind: "result", job: job as JobId, partition, bytes: plainBytes(bytes), last, records };
    }
    case "resultsRestarted": {
      const { job, round } = required(message.resultsRestarted, "resultsRestarted");
      return { kind: "resultsRestarted", job: job as JobId, round };
    }
    case "accumulators": {
      const { job, updates } = required(message.accumulators, "accumulators");
      return { kind: "accumulators", job: job as JobId, updates: updates.map(fromProtoAccumulator) };
    }
    case "jobEnded": {
      const { job, error, summary } = required(message.jobEnded, "jobEnded");
      const unpacked = unpackField<JobSummary>(summary, "JobEnded.summary");
      return { kind: "jobEnded", job: job as JobId, error: errorOrNull(error, "JobEnded.error"), summary: unpacked };
    }
    case "log": {
      const { stage, partition, stderr, text, dropped } = required(message.log, "log");
      const stream = stderr ? "stderr" : "stdout";
      return { kind: "log", stage: stage as StageId, partition, stream, text, ...(dropped === 0 ? {} : { dropped }) };
    }
    case "progress":
      return { kind: "progress", stages: unpackField<StageProgress[]>(message.progress?.stages, "Progress.stages") };
    case "closed":
      return { kind: "closed", error: errorOrNull(message.closed?.error, "Closed.error") };
    default:
      throw malformed("MasterToDriver.kind is missing");
  }
}

function errorField(error: WireError | null): { error?: pb.WireError.$Properties } {
  return error === null ? {} : { error: toProtoError(error) };
}

function errorOrNull(error: pb.WireError | null | undefined, field: string) {
  return error == null ? null : fromProtoError(error, field);
}

function unpackField<T>(bytes: Uint8Array | null | undefined, field: string): T {
  if (bytes == null || bytes.byteLength === 0) throw malformed(`${field} is missing`);
  return unpack<T>(plainBytes(bytes));
}
