// Reads event logs back: all parts of one, line by line, in bounded memory. A log whose writer was killed ends inside a line (or
// a compressed frame); that is told, not thrown. Events of types that this version does not know are skipped and counted, so
// that an older reader can look at a newer log of the same version.

import { type FileHandle, open } from "node:fs/promises";
import { MillraceError } from "../core/errors.js";
import { eventLogVersion, isEventType, type SessionEvent } from "./event-types.js";
import { decodeLogFrame, FRAME_HEAD_BYTES, readFrameHead } from "./log-frames.js";
import { type EventLog, eventLogAt, type LogPart } from "./log-parts.js";

export { type EventLog, eventLogAt, listEventLogs } from "./log-parts.js";

export interface EventLogSummary {
  readonly events: number;
  /** Events of unknown type. */
  readonly skipped: number;
  /** The end is cut: its writer was killed while it wrote. */
  readonly cut: boolean;
  /** Lines, or compressed frames, that could not be read and were left out. 0 unless `onDamage` is "skip". */
  readonly damaged: number;
  /** Parts that are not there, by number. */
  readonly missingParts: readonly number[];
}

export interface ReadOptions {
  /** What becomes of a line before the end that cannot be read. Default "throw": INVALID_FILE. */
  readonly onDamage?: "throw" | "skip";
}

const CHUNK_BYTES = 256 * 1024;
/** No event is so long: it is damage. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** Hands every event of the log with a part at `path` to `onEvent`, in order. @throws PATH_NOT_FOUND, INVALID_FILE, IO_ERROR */
export async function readEventLog(
  path: string,
  onEvent: (event: SessionEvent) => void,
  options: ReadOptions = {},
): Promise<EventLogSummary> {
  const reading = readEvents(await eventLogAt(path), options);
  for (;;) {
    const step = await reading.next();
    if (step.done === true) return step.value;
    onEvent(step.value);
  }
}

/** The events of a log, in order; its return value tells what was wrong with it. */
export async function* readEvents(
  log: EventLog,
  { onDamage = "throw" }: ReadOptions = {},
): AsyncGenerator<SessionEvent, EventLogSummary, void> {
  let [events, skipped, damaged, cut] = [0, 0, 0, false];
  const last = log.parts.at(-1);
  for (const part of log.parts) {
    let number = 0;
    // A line that cannot be read is only known to be the last when none follows.
    let broken: number | null = null;
    for await (const line of linesOf(part)) {
      number++;
      if (broken !== null) {
        if (onDamage === "throw") throw invalid(part.path, broken, "is no event");
        damaged++;
        broken = null;
      }
      const event = line === null ? null : parseLine(line);
      if (event === null) broken = number;
      else if (!isEventType(event.type)) skipped++;
      else {
        const known = event as unknown as SessionEvent;
        if ((known.type === "sessionStarted" || known.type === "logPart") && known.version > eventLogVersion) {
          throw invalid(
            part.path,
            number,
            `is of version ${known.version}, this program reads up to ${eventLogVersion}`,
          );
        }
        events++;
        yield known;
      }
    }
    if (broken === null) continue;
    if (part === last) cut = true;
    else if (onDamage === "throw") throw invalid(part.path, broken, "is cut, but the log goes on in another file");
    else damaged++;
  }
  const there = new Set(log.parts.map(({ part }) => part));
  const missingParts = Array.from({ length: last?.part ?? 0 }, (_, i) => i + 1).filter((part) => !there.has(part));
  return { events, skipped, cut, damaged, missingParts };
}

/** The first and the last events of a log, without what lies between: a few reads, however long it is. */
export async function readEnds(
  log: EventLog,
): Promise<{ readonly first: SessionEvent[]; readonly last: SessionEvent[] }> {
  const [first, last] = [log.parts[0], log.parts.at(-1)];
  if (first === undefined || last === undefined) return { first: [], last: [] };
  return { first: await eventsNear(first, "start"), last: await eventsNear(last, "end") };
}

/** Bytes that are looked at for the first or last event. */
const END_BYTES = 64 * 1024;

async function eventsNear(part: LogPart, end: "start" | "end"): Promise<SessionEvent[]> {
  const text = await withFile(part.path, async (file) => {
    if (part.compressed) return frameNear(file, end);
    const from = end === "start" ? 0 : Math.max(0, part.sizeBytes - END_BYTES);
    return readAt(file, from, END_BYTES);
  });
  // The first line of an excerpt may be half of one.
  return text
    .toString("utf8")
    .split("\n")
    .flatMap((line) => {
      const event = parseLine(line);
      return event !== null && isEventType(event.type) ? [event as unknown as SessionEvent] : [];
    });
}

async function frameNear(file: FileHandle, end: "start" | "end"): Promise<Buffer> {
  let found: Buffer = Buffer.alloc(0);
  let place: { at: number; head: NonNullable<ReturnType<typeof readFrameHead>> } | null = null;
  for (let at = 0; ; ) {
    const head = readFrameHead(await readAt(file, at, FRAME_HEAD_BYTES));
    if (head === null) break;
    place = { at: at + FRAME_HEAD_BYTES, head };
    at += FRAME_HEAD_BYTES + head.storedBytes;
    if (end === "start") break;
  }
  if (place !== null) found = decodeLogFrame(place.head, await readAt(file, place.at, place.head.storedBytes)) ?? found;
  return found;
}

/** Each line without its end; null: bytes that are no line (a damaged frame, or far too many of them). The last may be cut. */
async function* linesOf(part: LogPart): AsyncGenerator<string | null, void, void> {
  const file = await openPart(part.path);
  try {
    const chunks = part.compressed ? framesOf(file) : chunksOf(file);
    let rest: Buffer[] = [];
    let restBytes = 0;
    let overlong = false;
    for await (const chunk of chunks) {
      if (chunk === null) {
        yield null;
        continue;
      }
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        const piece = chunk.subarray(from, end);
        from = end + 1;
        yield overlong ? null : Buffer.concat([...rest, piece]).toString("utf8");
        rest = [];
        restBytes = 0;
        overlong = false;
      }
      const left = chunk.subarray(from);
      restBytes += left.byteLength;
      if (restBytes > MAX_LINE_BYTES) {
        overlong = true;
        rest = [];
      } else if (left.byteLength > 0) rest.push(left);
    }
    if (overlong) yield null;
    else if (rest.length > 0) yield Buffer.concat(rest).toString("utf8");
  } catch (error) {
    throw toReadError(part.path, error);
  } finally {
    await file.close();
  }
}

async function* chunksOf(file: FileHandle): AsyncGenerator<Buffer, void, void> {
  for (let at = 0; ; ) {
    const chunk = await readAt(file, at, CHUNK_BYTES);
    if (chunk.byteLength === 0) return;
    at += chunk.byteLength;
    yield chunk;
  }
}

/** The text of each frame; null for one that is damaged or cut. Behind a head that is none nothing can be found any more. */
async function* framesOf(file: FileHandle): AsyncGenerator<Buffer | null, void, void> {
  for (let at = 0; ; ) {
    const start = await readAt(file, at, FRAME_HEAD_BYTES);
    if (start.byteLength === 0) return;
    const head = readFrameHead(start);
    if (head === null) {
      yield null;
      return;
    }
    yield decodeLogFrame(head, await readAt(file, at + FRAME_HEAD_BYTES, head.storedBytes));
    at += FRAME_HEAD_BYTES + head.storedBytes;
  }
}

/** Up to `length` bytes; fewer where the file ends. */
async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await openPart(path);
  try {
    return await use(file);
  } catch (error) {
    throw toReadError(path, error);
  } finally {
    await file.close();
  }
}

async function openPart(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    throw toReadError(path, error);
  }
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

function toReadError(path: string, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const missing = (error as { code?: unknown }).code === "ENOENT";
  return new MillraceError(
    missing ? "PATH_NOT_FOUND" : "IO_ERROR",
    `cannot read the event log ${path}: ${(error as Error).message}`,
    { fields: { path }, cause: error },
  );
}

function invalid(path: string, line: number, reason: string): MillraceError {
  return new MillraceError("INVALID_FILE", `the event log ${path}: line ${line} ${reason}`, { fields: { path, line } });
}
