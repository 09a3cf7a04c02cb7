// protocol/worker.ts <-> bytes: the control conversation of a worker and the master.

import type { BlobHash, NodeId, SessionId, ShuffleId, StageId, WorkerId } from "../../core/ids.js";
import { pack, unpack } from "../../core/packed.js";
import type { AdoptableBlock, AdoptionOutcome } from "../../protocol/adoption.js";
import {
  type MasterToWorker,
  type OfferedOutput,
  type PressureLevel,
  pressureLevels,
  type StoredBytes,
  type WorkerRegistration,
  type WorkerToMaster,
} from "../../protocol/worker.js";
import { millrace as pb } from "../generated/messages.js";
import { fromProtoError, toProtoError } from "./errors.js";
import {
  fromProtoAddress,
  fromProtoKey,
  fromProtoLaunch,
  fromProtoLocations,
  fromProtoStatus,
  toProtoLaunch,
  toProtoLocations,
  toProtoStatus,
} from "./tasks.js";
import { decodeWith, malformed, mutable, required, requiredText } from "./wire.js";

export function encodeWorkerMessage(message: WorkerToMaster): Uint8Array {
  return pb.WorkerToMaster.encode(toProtoWorkerMessage(message)).finish();
}

/** @throws PROTOCOL_ERROR, naming the field */
export function decodeWorkerMessage(bytes: Uint8Array): WorkerToMaster {
  return decodeWith("WorkerToMaster", bytes, (b) => pb.WorkerToMaster.decode(b), fromProtoWorkerMessage);
}

export function encodeMasterToWorker(message: MasterToWorker): Uint8Array {
  return pb.MasterToWorker.encode(toProtoMasterMessage(message)).finish();
}

/** @throws PROTOCOL_ERROR, naming the field */
export function decodeMasterToWorker(bytes: Uint8Array): MasterToWorker {
  return decodeWith("MasterToWorker", bytes, (b) => pb.MasterToWorker.decode(b), fromProtoMasterMessage);
}

function toProtoWorkerMessage(message: WorkerToMaster): pb.WorkerToMaster.$Properties {
  switch (message.kind) {
    case "register":
      return { register: message.registration };
    case "heartbeat": {
      const { rssBytes, cacheBytes, running, records, disk, pressure = "calm", stored = [] } = message;
      return {
        heartbeat: {
          rssBytes,
          cacheBytes,
          running: mutable(running),
          records: mutable(records),
          pressure: pressure === "calm" ? "" : pressure,
          stored: mutable(stored),
          ...(disk === undefined ? {} : { disk }),
        },
      };
    }
    case "statuses":
      return { statuses: { statuses: message.statuses.map(toProtoStatus) } };
    case "logs": {
      const lines = message.lines.map(({ key, stream, text, dropped = 0 }) => ({
        key,
        stderr: stream === "stderr",
        text,
        dropped,
      }));
      return { logs: { lines } };
    }
    case "uncached": {
      const partitions = mutable(message.partitions);
      return { uncached: { session: message.session, partitions } };
    }
    case "offer":
      return { offer: { outputs: mutable(message.outputs) } };
    case "leaving":
      return { leaving: { reason: message.reason } };
    case "decommission":
      return { decommission: { reason: message.reason, timeoutMs: message.timeoutMs } };
    case "adopted":
      return { adopted: { from: message.from, outcomes: pack(message.outcomes) } };
  }
}

function fromProtoWorkerMessage(message: pb.WorkerToMaster): WorkerToMaster {
  const { register, heartbeat, statuses, logs, uncached, leaving, decommission, adopted, offer } = message;
  if (statuses != null) return { kind: "statuses", statuses: statuses.statuses.map(fromProtoStatus) };
  if (heartbeat != null) {
    const running = heartbeat.running.map((key) => fromProtoKey(key, "Heartbeat.running"));
    const { rssBytes, cacheBytes, records, disk, pressure, stored } = heartbeat;
    return {
      kind: "heartbeat",
      rssBytes,
      cacheBytes,
      running,
      records,
      ...(disk == null ? {} : { disk: { freeBytes: disk.freeBytes, isShort: disk.isShort } }),
      ...(pressure === "" ? {} : { pressure: fromProtoPressure(pressure) }),
      ...(stored.length === 0 ? {} : { stored: stored.map(fromProtoStored) }),
    };
  }
  if (logs != null) {
    const lines = logs.lines.map(({ key, stderr, text, dropped }) => {
      const stream: "stderr" | "stdout" = stderr ? "stderr" : "stdout";
      return { key: fromProtoKey(key, "TaskLogLine.key"), stream, text, ...(dropped === 0 ? {} : { dropped }) };
    });
    return { kind: "logs", lines };
  }
  if (register != null) return { kind: "register", registration: fromProtoRegistration(register) };
  if (uncached != null) {
    const partitions = uncached.partitions.map(({ node, partition }) => ({ node: node as NodeId, partition }));
    return { kind: "uncached", session: requiredText(uncached.session, "Uncached.session") as SessionId, partitions };
  }
  if (leaving != null) return { kind: "leaving", reason: leaving.reason };
  if (decommission != null)
    return { kind: "decommission", reason: decommission.reason, timeoutMs: decommission.timeoutMs };
  if (adopted != null) {
    const from = requiredText(adopted.from, "Adopted.from") as WorkerId;
    return { kind: "adopted", from, outcomes: unpack<AdoptionOutcome[]>(adopted.outcomes) };
  }
  if (offer != null) return { kind: "offer", outputs: fromProtoNames(offer) };
  throw malformed("WorkerToMaster.kind is missing");
}

function fromProtoPressure(text: string): PressureLevel {
  const level = pressureLevels.find((one) => one === text);
  if (level === undefined) throw malformed(`Heartbeat.pressure is "${text}", not one of ${pressureLevels.join(", ")}`);
  return level;
}

function fromProtoStored({ session, node, memoryBytes, diskBytes }: pb.StoredBytes): StoredBytes {
  return { session: sessionOf(session, "StoredBytes"), node: node as NodeId, memoryBytes, diskBytes };
}

function fromProtoNames({ outputs }: pb.MapOutputNames): OfferedOutput[] {
  return outputs.map(({ session, shuffle, map, stage, attempt }) => ({
    session: sessionOf(session, "MapOutputName"),
    shuffle: shuffle as ShuffleId,
    map,
    stage: stage as StageId,
    attempt,
  }));
}

function fromProtoRegistration(message: pb.Register): WorkerRegistration {
  const { role } = message;
  if (role !== "core" && role !== "task") throw malformed(`Register.role is "${role}", not core or task`);
  return {
    worker: requiredText(message.worker, "Register.worker") as WorkerId,
    incarnation: message.incarnation,
    version: requiredText(message.version, "Register.version"),
    role,
    node: message.node,
    slots: message.slots,
    memoryBytes: message.memoryBytes,
    pid: message.pid,
    address: fromProtoAddress(message.address, "Register.address"),
  };
}

function toProtoMasterMessage(message: MasterToWorker): pb.MasterToWorker.$Properties {
  switch (message.kind) {
    case "registered": {
      const { heartbeatMs, timeoutMs, liveSessions } = message;
      return { registered: { heartbeatMs, timeoutMs, liveSessions: mutable(liveSessions) } };
    }
    case "heartbeat":
      return { heartbeat: {} };
    case "refused":
      return { refused: toProtoError(message.error) };
    case "mapOutputs":
      return { mapOutputs: toProtoLocations(message.locations) };
    case "launch":
      return { launch: { launches: message.launches.map(toProtoLaunch) } };
    case "cancel":
      return {
        cancel: { keys: mutable(message.keys), reason: message.reason, onlyWaiting: message.onlyWaiting === true },
      };
    case "releaseResults":
      return { releaseResults: { keys: mutable(message.keys) } };
    case "releaseShuffle":
      return { releaseShuffle: { session: message.session, shuffle: message.shuffle } };
    case "discard": {
      const { session, shuffle, outputs } = message;
      return { discard: { session, shuffle, outputs: mutable(outputs) } };
    }
    case "uncache":
      return { uncache: { session: message.session, node: message.node } };
    case "releaseSession":
      return { releaseSession: { session: message.session } };
    case "releaseBlobs":
      return { releaseBlobs: { hashes: message.hashes as BlobHash[] } };
    case "workerLost":
      return { workerLost: { worker: message.worker, blocks: message.blocks, reason: message.reason } };
    case "decommission":
      return { decommission: { reason: message.reason, timeoutMs: message.timeoutMs } };
    case "adopt":
      return { adopt: { from: message.from, blocks: pack(message.blocks) } };
    case "decommissioned":
      return { decommissioned: { reason: message.reason } };
  }
}

function fromProtoMasterMessage(message: pb.MasterToWorker): MasterToWorker {
  switch (message.kind) {
    case "launch":
      return { kind: "launch", launches: required(message.launch, "launch").launches.map(fromProtoLaunch) };
    case "mapOutputs":
      return { kind: "mapOutputs", locations: fromProtoLocations(required(message.mapOutputs, "mapOutputs")) };
    case "registered": {
      const { heartbeatMs, timeoutMs, liveSessions } = required(message.registered, "registered");
      return { kind: "registered", heartbeatMs, timeoutMs, liveSessions: liveSessions as SessionId[] };
    }
    case "heartbeat":
      return { kind: "heartbeat" };
    case "refused":
      return { kind: "refused", error: fromProtoError(message.refused, "MasterToWorker.refused") };
    case "cancel": {
      const { keys, reason, onlyWaiting } = required(message.cancel, "cancel");
      const given = keys.map((key) => fromProtoKey(key, "CancelTasks.keys"));
      return { kind: "cancel", keys: given, reason, ...(onlyWaiting ? { onlyWaiting } : {}) };
    }
    case "releaseResults": {
      const { keys } = required(message.releaseResults, "releaseResults");
      return { kind: "releaseResults", keys: keys.map((key) => fromProtoKey(key, "ReleaseResults.keys")) };
    }
    case "releaseShuffle": {
      const { session, shuffle } = required(message.releaseShuffle, "releaseShuffle");
      return { kind: "releaseShuffle", session: sessionOf(session, "ReleaseShuffle"), shuffle: shuffle as ShuffleId };
    }
    case "discard": {
      const { session, shuffle, outputs } = required(message.discard, "discard");
      return {
        kind: "discard",
        session: sessionOf(session, "DiscardOutputs"),
        shuffle: shuffle as ShuffleId,
        outputs: outputs.map(({ map, stage, attempt }) => ({ map, stage: stage as StageId, attempt })),
      };
    }
    case "uncache": {
      const { session, node } = required(message.uncache, "uncache");
      return { kind: "uncache", session: sessionOf(session, "Uncache"), node: node as NodeId };
    }
    case "releaseSession": {
      const { session } = required(message.releaseSession, "releaseSession");
      return { kind: "releaseSession", session: sessionOf(session, "ReleaseSession") };
    }
    case "releaseBlobs":
      return { kind: "releaseBlobs", hashes: required(message.releaseBlobs, "releaseBlobs").hashes as BlobHash[] };
    case "workerLost": {
      const { worker, blocks, reason } = required(message.workerLost, "workerLost");
      return { kind: "workerLost", worker: requiredText(worker, "WorkerLost.worker") as WorkerId, blocks, reason };
    }
    case "decommission": {
      const { reason, timeoutMs } = required(message.decommission, "decommission");
      return { kind: "decommission", reason, timeoutMs };
    }
    case "adopt": {
      const { from, blocks } = required(message.adopt, "adopt");
      return { kind: "adopt", from: fromProtoAddress(from, "Adopt.from"), blocks: unpack<AdoptableBlock[]>(blocks) };
    }
    case "decommissioned":
      return { kind: "decommissioned", reason: required(message.decommissioned, "decommissioned").reason };
    default:
      throw malformed("MasterToWorker.kind is missing");
  }
}

function sessionOf(session: string, message: string): SessionId {
  return requiredText(session, `${message}.session`) as SessionId;
}
