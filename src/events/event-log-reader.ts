// Reads event logs back: line by line, whatever their length. A log whose writer was killed ends inside a line; that is told,
// not thrown. Events of types that this version does not know are skipped and counted, so that an older reader can look at
// a newer log of the same version.

import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { MillraceError } from "../core/errors.js";
import { eventLogVersion, isEventType, type SessionEvent } from "./event-types.js";

export interface EventLogSummary {
  readonly events: number;
  /** Events of unknown type. */
  readonly skipped: number;
  /** The last line was cut: its writer was killed while it wrote. */
  readonly cut: boolean;
}

/** Hands every event to `onEvent`, in order. INVALID_FILE when a line that is not the last cannot be read. */
export async function readEventLog(path: string, onEvent: (event: SessionEvent) => void): Promise<EventLogSummary> {
  let events = 0;
  let skipped = 0;
  let number = 0;
  // A line that cannot be read is only known to be the last when none follows.
  let broken: number | null = null;
  const input = createReadStream(path, "utf8");
  const failed = new Promise<never>((_resolve, reject) => input.once("error", reject));
  const read = async () => {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (broken !== null) throw invalid(path, broken, "is no event");
      const event = parseLine(line);
      if (event === null) broken = number;
      else if (!isEventType(event.type)) skipped++;
      else {
        const known = event as unknown as SessionEvent;
        if (known.type === "sessionStarted" && known.version > eventLogVersion) {
          throw invalid(path, number, `is of version ${known.version}, this program reads up to ${eventLogVersion}`);
        }
        events++;
        onEvent(known);
      }
    }
  };
  try {
    await Promise.race([read(), failed]);
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    const missing = (error as { code?: unknown }).code === "ENOENT";
    throw new MillraceError(
      missing ? "PATH_NOT_FOUND" : "IO_ERROR",
      `cannot read the event log ${path}: ${(error as Error).message}`,
      {
        fields: { path },
        cause: error,
      },
    );
  } finally {
    input.destroy();
  }
  return { events, skipped, cut: broken !== null };
}

/** The logs of a directory, the latest first; none when the directory is not there. */
export async function listEventLogs(
  directory: string,
): Promise<{ path: string; sizeBytes: number; modifiedMs: number }[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === "ENOENT") return [];
    throw new MillraceError("IO_ERROR", `cannot list ${directory}: ${(error as Error).message}`, {
      fields: { directory },
      cause: error,
    });
  });
  const logs = await Promise.all(
    names
      .filter((name) => name.endsWith(".jsonl"))
      .map(async (name) => {
        const path = join(directory, name);
        const { size, mtimeMs } = await stat(path);
        return { path, sizeBytes: size, modifiedMs: Math.floor(mtimeMs) };
      }),
  );
  return logs.sort((a, b) => b.modifiedMs - a.modifiedMs || (a.path < b.path ? 1 : -1));
}

function parseLine(line: string): { readonly type: unknown; readonly time: number } | null {
  try {
    const value: unknown = JSON.parse(line);
    const event = value as { type?: unknown; time?: unknown } | null;
    return typeof event === "object" && event !== null && "type" in event && typeof event.time === "number"
      ? (event as { type: unknown; time: number })
      : null;
  } catch {
    // Not JSON: the caller knows whether that is the cut end or damage.
    return null;
  }
}

function invalid(path: string, line: number, reason: string): MillraceError {
  return new MillraceError("INVALID_FILE", `the event log ${path}: line ${line} ${reason}`, { fields: { path, line } });
}
