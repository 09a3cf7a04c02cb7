// Where event logs lie and what their files are called:
//
//   <directory>/<session>.jsonl   <session>.2.jsonl   <session>.3.jsonl ...      parts of one log, in order
//   the same with .zst            compressed, as log-frames.ts says
//
// Files of other names are nobody's here.

import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MillraceError } from "../core/errors.js";
import type { SessionId } from "../core/ids.js";

const NAME = /^(.+?)(?:\.(\d+))?\.jsonl(\.zst)?$/;

export interface LogPart {
  readonly path: string;
  /** From 1. */
  readonly part: number;
  readonly compressed: boolean;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** One session's log. */
export interface EventLog {
  /** Of its first part. */
  readonly path: string;
  /** The session's id, as a file can bear it. */
  readonly name: string;
  readonly parts: readonly LogPart[];
  /** Of all parts. */
  readonly sizeBytes: number;
  /** Of the latest part, milliseconds since 1970. */
  readonly modifiedMs: number;
}

export function logName(session: SessionId): string {
  return session.replace(/[^A-Za-z0-9_-]/g, "_");
}

export function partPath(directory: string, session: SessionId, part: number, compressed: boolean): string {
  return join(directory, `${logName(session)}${part === 1 ? "" : `.${part}`}.jsonl${compressed ? ".zst" : ""}`);
}

/** The logs of a directory, the latest first; none when the directory is not there. @throws IO_ERROR */
export async function listEventLogs(directory: string): Promise<EventLog[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === "ENOENT") return [];
    throw new MillraceError("IO_ERROR", `cannot list ${directory}: ${(error as Error).message}`, {
      fields: { directory },
      cause: error,
    });
  });
  const parts = new Map<string, LogPart[]>();
  for (const found of await Promise.all(names.map((name) => partAt(directory, name)))) {
    if (found === null) continue;
    const known = parts.get(found.log);
    if (known === undefined) parts.set(found.log, [found.part]);
    else known.push(found.part);
  }
  return [...parts]
    .map(([name, all]) => toLog(name, all))
    .sort((a, b) => b.modifiedMs - a.modifiedMs || (a.path < b.path ? 1 : -1));
}

/** The log with a part at `path`, all of its parts. @throws PATH_NOT_FOUND */
export async function eventLogAt(path: string): Promise<EventLog> {
  const name = NAME.exec(basename(path))?.[1];
  const logs = name === undefined ? [] : await listEventLogs(dirname(path));
  const log = logs.find((one) => one.name === name && one.parts.some((part) => part.path === join(path)));
  if (log !== undefined) return log;
  throw new MillraceError(
    "PATH_NOT_FOUND",
    `there is no event log ${path}: expected a file <session>.jsonl or .jsonl.zst`,
    {
      fields: { path },
    },
  );
}

async function partAt(directory: string, name: string): Promise<{ log: string; part: LogPart } | null> {
  const match = NAME.exec(name);
  if (match?.[1] === undefined) return null;
  const path = join(directory, name);
  try {
    const { size, mtimeMs } = await stat(path);
    const part = match[2] === undefined ? 1 : Number(match[2]);
    const compressed = match[3] !== undefined;
    return { log: match[1], part: { path, part, compressed, sizeBytes: size, modifiedMs: Math.floor(mtimeMs) } };
  } catch (error) {
    // Removed since the directory was read.
    if ((error as { code?: unknown }).code === "ENOENT") return null;
    throw error;
  }
}

function toLog(name: string, all: readonly LogPart[]): EventLog {
  const parts = [...all].sort((a, b) => a.part - b.part);
  return {
    path: (parts[0] as LogPart).path,
    name,
    parts,
    sizeBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0),
    modifiedMs: parts.reduce((latest, part) => Math.max(latest, part.modifiedMs), 0),
  };
}
