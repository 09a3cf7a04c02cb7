// The directory of one worker process: shuffle files, results, spills and cached partitions of all sessions, with an owner
// lock (pid and start time) so that a later process can tell a dead owner's directory from a live one's and sweep it.
//
//   <localDir>/millrace-<worker id>/owner.json, and below it what shuffle/paths.ts spells and /cache/<session>/...

import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { MillraceError } from "../core/errors.js";
import type { NodeId, SessionId, TaskKey, WorkerId } from "../core/ids.js";
import { attemptDirectory, mapOutputName, resultPath, sessionDirectories } from "../shuffle/paths.js";

const PREFIX = "millrace-";

interface Owner {
  readonly pid: number;
  /** Start of the process in clock ticks since boot (Linux): a pid alone may have been given to another process. */
  readonly started: string;
  /** A worker of this name is likely to be started again on this directory: it is left alone for RETURN_MS. Default false. */
  readonly returns?: boolean;
}

/** After the last `touch` of a worker that returns. */
const RETURN_MS = 10 * 60_000;

export class WorkerDirectory {
  private constructor(readonly path: string) {}

  /** The directory that worker `worker` has in `localDir`. */
  static of(localDir: string, worker: WorkerId): WorkerDirectory {
    return new WorkerDirectory(join(localDir, `${PREFIX}${worker}`));
  }

  /** A directory whose path is known. */
  static at(path: string): WorkerDirectory {
    return new WorkerDirectory(path);
  }

  /** Makes the directory ours. Throws READ_ONLY_FILE_SYSTEM, PERMISSION_DENIED or DISK_FULL naming it. */
  claim(returns = false): void {
    try {
      makeDirectory(this.path);
      const owner: Owner = {
        pid: process.pid,
        started: startOf(process.pid) ?? "",
        ...(returns ? { returns } : {}),
      };
      writeFileSync(join(this.path, "owner.json"), JSON.stringify(owner), { mode: 0o600 });
    } catch (error) {
      throw directoryError(error, this.path);
    }
  }

  /** One that was made anew lies apart from its earlier generations, which somebody may still read. */
  cachePath(session: SessionId, node: NodeId, partition: number, generation = 0): string {
    const name = generation === 0 ? `${node}-${partition}` : `${node}-${partition}-${generation}`;
    return join(this.path, "cache", session, name);
  }

  removeSession(session: SessionId): void {
    for (const directory of [...sessionDirectories(this.path, session), join(this.path, "cache", session)]) {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /** Says that its owner is alive now. */
  touch(): void {
    const now = new Date();
    try {
      utimesSync(join(this.path, "owner.json"), now, now);
    } catch (error) {
      // Somebody removed the directory: what reads or writes in it says so.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw directoryError(error, this.path);
    }
  }

  /**
   * Removes all that an attempt has made, committed or not: it failed, was cancelled, or its thread was ended in the middle.
   * Looks through directories, so not for attempts that succeed.
   */
  removeAttempt(key: TaskKey): void {
    const scratch = attemptDirectory(this.path, key);
    for (const path of entriesOf(dirname(scratch))) {
      if (path === scratch || path.startsWith(`${scratch}.`)) rmSync(path, { recursive: true, force: true });
    }
    rmSync(resultPath(this.path, key), { force: true });
    for (const shuffle of entriesOf(join(this.path, "shuffle", key.session)))
      rmSync(join(shuffle, mapOutputName(key.partition, key.stage, key.attempt)), { force: true });
  }

  /** A directory whose last file was removed. */
  removeIfEmpty(directory: string): void {
    try {
      rmdirSync(directory);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(code)) throw directoryError(error, directory);
    }
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Paths of what is in a directory; none where it is not there. */
function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => join(directory, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw directoryError(error, directory);
  }
}

/** Removes the directories in `localDir` whose owner is no longer alive, all but `own`. Returns their paths. */
export function sweepDeadOwners(localDir: string, own: WorkerDirectory | null = null): string[] {
  const removed: string[] = [];
  let names: string[];
  try {
    names = readdirSync(localDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return removed;
    throw directoryError(error, localDir);
  }
  for (const name of names) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(localDir, name);
    if (path === own?.path) continue;
    const owner = readOwner(path);
    if (owner === null || isAlive(owner) || mayReturn(owner, path)) continue;
    // Two workers that start at once sweep the same directories: what the other has removed meanwhile is looked for again.
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    removed.push(path);
  }
  return removed;
}

/** null: no readable owner file (yet): the directory is left alone. */
function readOwner(path: string): Owner | null {
  try {
    return JSON.parse(readFileSync(join(path, "owner.json"), "utf8")) as Owner;
  } catch (error) {
    if (
      error instanceof SyntaxError ||
      (error as NodeJS.ErrnoException).code === "ENOENT" ||
      (error as NodeJS.ErrnoException).code === "EACCES"
    )
      return null;
    throw directoryError(error, path);
  }
}

function mayReturn(owner: Owner, path: string): boolean {
  if (owner.returns !== true) return false;
  const touched = statSync(join(path, "owner.json"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return Date.now() - touched < RETURN_MS;
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const started = startOf(owner.pid);
  return started === null || started === owner.started;
}

/** Field 22 of /proc/<pid>/stat; null where there is no /proc or the process is gone. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the name in parentheses and may hold spaces.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // What Node says of a recursive mkdir on a read-only file system. The plain one says why.
    mkdirSync(path, { mode: 0o700 });
  }
}

function directoryError(error: unknown, path: string): MillraceError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const known = {
    EROFS: "READ_ONLY_FILE_SYSTEM",
    ENOSPC: "DISK_FULL",
    EACCES: "PERMISSION_DENIED",
    EPERM: "PERMISSION_DENIED",
  } as const;
  return new MillraceError(
    known[code as keyof typeof known] ?? "IO_ERROR",
    `the worker's directory ${path} cannot be used: ${(error as Error).message}; set --local-dir to a writable one`,
    {
      fields: { path, system: code },
      cause: error,
    },
  );
}
