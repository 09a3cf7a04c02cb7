// What a worker process that was killed has left in its directory: committed map outputs, which the next process of the same
// worker offers to the master. Scratch, results and cached partitions are of no use without the process that made them.

import { type Dirent, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isMillraceError } from "../core/errors.js";
import { type SessionId, sessionId, shuffleId, stageId } from "../core/ids.js";
import type { OfferedOutput, WorkerToMaster } from "../protocol/worker.js";
import { MapOutputFiles } from "../shuffle/map-output-files.js";

const COMMITTED = /^(\d+)-(\d+)-(\d+)\.data$/;
/** Messages stay below 256 KiB. */
const OFFERS_A_MESSAGE = 2_000;

/** Removes everything else. A file that does not add up is removed as well. */
export function findCommitted(directory: string): OfferedOutput[] {
  for (const kind of ["attempts", "results", "cache"]) rmSync(join(directory, kind), { recursive: true, force: true });
  const files = new MapOutputFiles({ maxFiles: 1 });
  const found: OfferedOutput[] = [];
  for (const session of entriesOf(join(directory, "shuffle"))) {
    for (const shuffle of entriesOf(join(directory, "shuffle", session.name))) {
      const at = join(directory, "shuffle", session.name, shuffle.name);
      for (const { name } of entriesOf(at)) {
        const parts = COMMITTED.exec(name);
        if (parts === null || !isWhole(files, join(at, name))) {
          rmSync(join(at, name), { recursive: true, force: true });
          continue;
        }
        found.push({
          session: sessionId(session.name),
          shuffle: shuffleId(Number(shuffle.name)),
          map: Number(parts[1]),
          stage: stageId(Number(parts[2])),
          attempt: Number(parts[3]),
        });
      }
    }
  }
  files.close();
  return found;
}

/** Removes what sessions that have ended have left; answers what may still be wanted. */
export function keepLive(
  directory: string,
  found: readonly OfferedOutput[],
  live: readonly SessionId[],
): OfferedOutput[] {
  const alive = new Set<string>(live);
  for (const { name } of entriesOf(join(directory, "shuffle")))
    if (!alive.has(name)) rmSync(join(directory, "shuffle", name), { recursive: true, force: true });
  return found.filter(({ session }) => alive.has(session));
}

export function offersOf(outputs: readonly OfferedOutput[]): WorkerToMaster[] {
  const offers: WorkerToMaster[] = [];
  for (let at = 0; at < outputs.length; at += OFFERS_A_MESSAGE)
    offers.push({ kind: "offer", outputs: outputs.slice(at, at + OFFERS_A_MESSAGE) });
  return offers;
}

function isWhole(files: MapOutputFiles, path: string): boolean {
  try {
    files.open(path);
    return true;
  } catch (error) {
    if (isMillraceError(error)) return false;
    throw error;
  }
}

function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
