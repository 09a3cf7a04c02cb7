// Where a worker keeps what it owns, spelled here and nowhere else. Everything of a session is below a directory of its
// name, so that the end of a session is one removal a kind:
//
//   <worker>/shuffle/<session>/<shuffle>/<map>-<stage>-<attempt>.data     committed map outputs
//   <worker>/results/<session>/<job>-<stage>-<partition>-<attempt>.data   results too large for a status
//   <worker>/attempts/<session>/<job>-<stage>-<partition>-<attempt>/      scratch files of a running attempt
//   <worker>/attempts/<session>/<job>-<stage>-<partition>-<attempt>.<what>  what it will commit by a rename

import { join } from "node:path";
import type { SessionId, ShuffleId, StageId, TaskKey } from "../core/ids.js";

/** A map output, named by the attempt that wrote it: two attempts never write one file. */
export interface MapOutputName {
  readonly session: SessionId;
  readonly shuffle: ShuffleId;
  readonly map: number;
  readonly stage: StageId;
  readonly attempt: number;
}

export function mapOutputPath(workerDirectory: string, name: MapOutputName): string {
  const directory = shuffleDirectory(workerDirectory, name.session, name.shuffle);
  return join(directory, mapOutputName(name.map, name.stage, name.attempt));
}

/** Within its shuffle's directory. */
export function mapOutputName(map: number, stage: StageId, attempt: number): string {
  return `${map}-${stage}-${attempt}.data`;
}

export function shuffleDirectory(workerDirectory: string, session: SessionId, shuffle: ShuffleId): string {
  return join(workerDirectory, "shuffle", session, String(shuffle));
}

export function resultPath(workerDirectory: string, key: TaskKey): string {
  return join(workerDirectory, "results", key.session, `${attemptName(key)}.data`);
}

export function attemptDirectory(workerDirectory: string, key: TaskKey): string {
  return join(workerDirectory, "attempts", key.session, attemptName(key));
}

/** Where what an attempt makes grows until it is committed: an attempt that ends otherwise leaves nothing elsewhere. */
export function attemptFile(workerDirectory: string, key: TaskKey, what: string): string {
  return join(workerDirectory, "attempts", key.session, `${attemptName(key)}.${what}`);
}

/** All that a worker keeps of one session. */
export function sessionDirectories(workerDirectory: string, session: SessionId): readonly string[] {
  return ["shuffle", "results", "attempts"].map((kind) => join(workerDirectory, kind, session));
}

function attemptName(key: TaskKey): string {
  return `${key.job}-${key.stage}-${key.partition}-${key.attempt}`;
}
