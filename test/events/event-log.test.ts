import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/core/clock.js";
import { sessionId } from "../../src/core/ids.js";
import {
  eventLogAt,
  listEventLogs,
  type ReadOptions,
  readEnds,
  readEventLog,
} from "../../src/events/event-log-reader.js";
import { EventLogWriter, type EventLogWriterOptions } from "../../src/events/event-log-writer.js";
import { eventLogVersion, type SessionEvent } from "../../src/events/event-types.js";
import { scratchDirectory } from "../support/scratch.js";

const root = scratchDirectory();

function fakeClock() {
  const timers = new Map<() => void, number>();
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (ms, run) => {
      timers.set(run, ms);
      return () => timers.delete(run);
    },
  };
  const fire = () => {
    for (const run of [...timers.keys()]) run();
  };
  return { clock, timers, fire };
}

function open(name: string, options: Partial<EventLogWriterOptions> = {}) {
  const time = fakeClock();
  const errors: unknown[] = [];
  const writer = new EventLogWriter({
    directory: join(root, "logs"),
    session: sessionId(name),
    clock: time.clock,
    onError: (error) => errors.push(error),
    ...options,
  });
  return { writer, errors, ...time };
}

const started = (version = eventLogVersion): SessionEvent => ({
  time: 1,
  type: "sessionStarted",
  version,
  session: "s",
  appName: "counts",
  millrace: "0.1.0",
  master: "local[2]",
  options: {},
  environment: {},
});
const taskEnded = (partition: number): SessionEvent => ({
  time: 2,
  type: "taskEnded",
  job: 1,
  stage: 1,
  partition,
  attempt: 0,
  worker: "w1",
  outcome: "succeeded",
  error: null,
  metrics: null,
});
const many = (count: number) => [started(), ...Array.from({ length: count }, (_, i) => taskEnded(i))];

async function readAll(path: string, options: ReadOptions = {}) {
  const events: SessionEvent[] = [];
  const summary = await readEventLog(path, (event) => events.push(event), options);
  return { events, summary };
}

/** A log of its own directory, written whole. */
async function written(name: string, events: readonly SessionEvent[], options: Partial<EventLogWriterOptions> = {}) {
  const directory = join(root, name);
  const { writer } = open("log", { directory, ...options });
  for (const event of events) {
    writer.write(event);
    await writer.flush();
  }
  await writer.close();
  return directory;
}

const whole = { skipped: 0, cut: false, damaged: 0, missingParts: [] };

describe("event log", () => {
  it("gathers events and writes them on the timer, at 64 KiB and at the end", async () => {
    const { writer, timers, fire } = open("a");
    const events = many(2000);
    writer.write(events[0]!);
    expect(timers.size).toBe(1);
    fire();
    expect(timers.size).toBe(0);
    for (const event of events.slice(1)) writer.write(event);
    await Promise.all([writer.close(), writer.close()]);
    expect(timers.size).toBe(0);
    expect(writer.dropped).toBe(0);
    expect(await readAll(writer.path)).toEqual({ events, summary: { events: 2001, ...whole } });
    expect(statSync(writer.path).mode & 0o777).toBe(0o600);
  });

  it("that is to be seen soon is written within 50 ms, however often it is asked, and lines of the same time with it", async () => {
    const { writer, timers, fire } = open("soon", { directory: join(root, "soon") });
    writer.write(started());
    expect([...timers.values()]).toEqual([1000]);
    writer.flushSoon();
    writer.write(taskEnded(0));
    writer.flushSoon();
    expect([...timers.values()]).toEqual([50]);
    fire();
    await writer.flush();
    expect(readFileSync(writer.path, "utf8").trim().split("\n")).toHaveLength(2);
    writer.write(taskEnded(1));
    expect([...timers.values()]).toEqual([1000]);
    await writer.close();
    expect((await readAll(writer.path)).summary).toMatchObject({ events: 3 });
  });

  it("tells a last line that was cut, and refuses damage before it, or leaves it out where it may", async () => {
    const { writer } = open("cut");
    writer.write(started());
    writer.write(taskEnded(1));
    await writer.close();
    appendFileSync(writer.path, '{"time":3,"type":"taskEn');
    expect((await readAll(writer.path)).summary).toEqual({ events: 2, ...whole, cut: true });
    appendFileSync(writer.path, `\n${JSON.stringify(taskEnded(2))}\n`);
    await expect(readAll(writer.path)).rejects.toMatchObject({ code: "INVALID_FILE", fields: { line: 3 } });
    const rest = await readAll(writer.path, { onDamage: "skip" });
    expect(rest.summary).toEqual({ events: 3, ...whole, damaged: 1 });
    expect(rest.events.at(-1)).toEqual(taskEnded(2));
  });

  it("skips events it does not know and refuses a later version", async () => {
    const path = join(root, "later.jsonl");
    writeFileSync(
      path,
      `${JSON.stringify(started())}\n{"time":5,"type":"stepStarted"}\n{"time":5,"type":"toString"}\n`,
    );
    expect((await readAll(path)).summary).toEqual({ events: 1, ...whole, skipped: 2 });
    writeFileSync(path, `${JSON.stringify(started(eventLogVersion + 1))}\n`);
    await expect(readAll(path)).rejects.toMatchObject({ code: "INVALID_FILE" });
    await expect(readAll(join(root, "none.jsonl"))).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(readAll(join(root, "none.txt"))).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  });

  it("never fails for want of a disk: it says so once and counts", async () => {
    writeFileSync(join(root, "file"), "");
    const { writer, errors } = open("x", { directory: join(root, "file", "logs") });
    writer.write(started());
    await writer.flush();
    writer.write(taskEnded(1));
    await writer.flush();
    await writer.close();
    writer.write(taskEnded(2));
    expect(errors.length).toBe(1);
    expect(writer.dropped).toBe(3);
  });

  it.skipIf(!existsSync("/dev/full"))("on a full disk ends with one warning (needs /dev/full)", async () => {
    const directory = join(root, "full");
    mkdirSync(directory);
    symlinkSync("/dev/full", join(directory, "log.jsonl"));
    const { writer, errors } = open("log", { directory });
    for (const event of many(5)) {
      writer.write(event);
      await writer.flush();
    }
    await writer.close();
    expect(errors).toMatchObject([{ code: "ENOSPC" }]);
    expect(writer.dropped).toBe(6);
  });

  it("keeps 8 MiB for a disk that does not take them; what comes then is left out, and told", async () => {
    const { writer, errors } = open("slow");
    // The disk does not get a turn before all of this is over.
    const event = { ...taskEnded(0), worker: "w".repeat(1024) } as SessionEvent;
    for (let i = 0; i < 10_000; i++) writer.write(event);
    const { dropped } = writer;
    expect(dropped).toBeGreaterThan(500);
    expect(dropped).toBeLessThan(4000);
    await writer.close();
    expect(errors).toEqual([]);
    const { events, summary } = await readAll(writer.path);
    expect(summary).toEqual({ events: 10_001 - dropped, ...whole });
    expect(events.at(-1)).toMatchObject({ type: "eventsDropped", events: dropped });
  });

  it("lists logs, the latest first", async () => {
    const names = (await listEventLogs(join(root, "logs"))).map((log) => log.path.slice(root.length));
    expect(names.sort()).toEqual(["/logs/a.jsonl", "/logs/cut.jsonl", "/logs/slow.jsonl"]);
    expect(await listEventLogs(join(root, "nowhere"))).toEqual([]);
  });
});

describe.each([
  ["plain", false],
  ["compressed", true],
])("a log of several files, %s", (name, compress) => {
  const events = many(400);
  const rolled = (folder: string) => written(`${name}-${folder}`, events, { compress, maxFileBytes: 4096 });

  it("is one log: read in order, each part says what it is", async () => {
    const directory = await rolled("whole");
    const [log] = await listEventLogs(directory);
    expect(log!.parts.length).toBeGreaterThan(3);
    expect(log!.parts.map(({ part }) => part)).toEqual(log!.parts.map((_, i) => i + 1));
    expect(readdirSync(directory).every((file) => /^log(\.\d+)?\.jsonl(\.zst)?$/.test(file))).toBe(true);
    const { events: read, summary } = await readAll(log!.path);
    expect(summary).toEqual({ events: 401 + log!.parts.length - 1, ...whole });
    expect(read.filter(({ type }) => type !== "logPart")).toEqual(events);
    const parts = read.flatMap((event) => (event.type === "logPart" ? [event] : []));
    expect(parts.map(({ part, version }) => [part, version])).toEqual(
      log!.parts.slice(1).map(({ part }) => [part, eventLogVersion]),
    );
    // From any part on it is the same log.
    expect((await readAll(log!.parts[1]!.path)).events).toEqual(read);
  });

  it("shows its ends without being read through", async () => {
    const log = await eventLogAt((await listEventLogs(await rolled("ends")))[0]!.path);
    const { first, last } = await readEnds(log);
    expect(first[0]).toEqual(events[0]);
    expect(last.at(-1)).toEqual(events.at(-1));
  });

  it("that is cut anywhere in its last file is read up to the last whole line", async () => {
    const directory = await rolled("cut");
    const last = (await listEventLogs(directory))[0]!.parts.at(-1)!;
    const bytes = readFileSync(last.path);
    for (let size = bytes.byteLength - 1; size > 0; size -= 37) {
      truncateSync(last.path, size);
      const { events: read, summary } = await readAll(last.path);
      const kept = read.filter(({ type }) => type !== "logPart");
      expect(kept).toEqual(events.slice(0, kept.length));
      const endsWhole = compress ? undefined : bytes[size - 1] === 10 || bytes[size] === 10;
      if (endsWhole !== undefined) expect(summary.cut).toBe(!endsWhole);
      expect(summary.damaged).toBe(0);
    }
  });

  it("with a file gone says which; with damage inside it is refused, or read around the damage", async () => {
    const directory = await rolled("damaged");
    const { parts } = (await listEventLogs(directory))[0]!;
    const victim = parts[1]!.path;
    const bytes = readFileSync(victim);
    bytes.fill(0x21, 60, 90);
    writeFileSync(victim, bytes);
    await expect(readAll(victim)).rejects.toMatchObject({ code: "INVALID_FILE", fields: { path: victim } });
    const around = await readAll(victim, { onDamage: "skip" });
    expect(around.summary.damaged).toBeGreaterThan(0);
    expect(around.summary.events).toBeGreaterThan(250);
    rmSync(victim);
    const without = await readAll(parts[0]!.path);
    expect(without.summary.missingParts).toEqual([2]);
    expect(without.events.at(-1)).toEqual(events.at(-1));
  });
});

it("a compressed log is a fifth of the plain one", async () => {
  const events = many(3000);
  const size = async (name: string, compress: boolean) => {
    const directory = join(root, name);
    const { writer } = open("log", { directory, compress });
    for (const event of events) writer.write(event);
    await writer.close();
    return (await listEventLogs(directory))[0]!.sizeBytes;
  };
  expect(await size("packed", true)).toBeLessThan((await size("plain", false)) / 5);
});
