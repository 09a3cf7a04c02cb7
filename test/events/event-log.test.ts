import { appendFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/core/clock.js";
import { sessionId } from "../../src/core/ids.js";
import { listEventLogs, readEventLog } from "../../src/events/event-log-reader.js";
import { EventLogWriter } from "../../src/events/event-log-writer.js";
import { eventLogVersion, type SessionEvent } from "../../src/events/event-types.js";
import { scratchDirectory } from "../support/scratch.js";

const root = scratchDirectory();

function fakeClock() {
  const timers = new Set<() => void>();
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (_ms, run) => {
      timers.add(run);
      return () => timers.delete(run);
    },
  };
  const fire = () => {
    for (const run of [...timers]) run();
  };
  return { clock, timers, fire };
}

function open(name: string, directory = join(root, "logs")) {
  const time = fakeClock();
  const errors: unknown[] = [];
  const writer = new EventLogWriter({
    directory,
    session: sessionId(name),
    clock: time.clock,
    onError: (error) => errors.push(error),
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

async function readAll(path: string) {
  const events: SessionEvent[] = [];
  const summary = await readEventLog(path, (event) => events.push(event));
  return { events, summary };
}

describe("event log", () => {
  it("gathers events and writes them on the timer, at 64 KiB and at the end", async () => {
    const { writer, timers, fire } = open("a");
    const events = [started(), ...Array.from({ length: 2000 }, (_, i) => taskEnded(i))];
    writer.write(events[0]!);
    expect(timers.size).toBe(1);
    fire();
    expect(timers.size).toBe(0);
    expect(readFileSync(writer.path, "utf8")).toBe(`${JSON.stringify(events[0])}\n`);
    for (const event of events.slice(1)) writer.write(event);
    expect(statSync(writer.path).size).toBeGreaterThan(64 * 1024);
    writer.close();
    writer.close();
    expect(timers.size).toBe(0);
    expect(await readAll(writer.path)).toEqual({ events, summary: { events: 2001, skipped: 0, cut: false } });
    expect(statSync(writer.path).mode & 0o777).toBe(0o600);
  });

  it("tells a last line that was cut, and refuses damage before it", async () => {
    const { writer } = open("cut");
    writer.write(started());
    writer.write(taskEnded(1));
    writer.close();
    appendFileSync(writer.path, '{"time":3,"type":"taskEn');
    expect((await readAll(writer.path)).summary).toEqual({ events: 2, skipped: 0, cut: true });
    appendFileSync(writer.path, `\n${JSON.stringify(taskEnded(2))}\n`);
    await expect(readAll(writer.path)).rejects.toMatchObject({ code: "INVALID_FILE", fields: { line: 3 } });
  });

  it("skips events it does not know and refuses a later version", async () => {
    const path = join(root, "later.jsonl");
    writeFileSync(
      path,
      `${JSON.stringify(started())}\n{"time":5,"type":"stepStarted"}\n{"time":5,"type":"toString"}\n`,
    );
    expect((await readAll(path)).summary).toEqual({ events: 1, skipped: 2, cut: false });
    writeFileSync(path, `${JSON.stringify(started(eventLogVersion + 1))}\n`);
    await expect(readAll(path)).rejects.toMatchObject({ code: "INVALID_FILE" });
    await expect(readAll(join(root, "none.jsonl"))).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  });

  it("never fails for want of a disk: it says so once and counts", () => {
    writeFileSync(join(root, "file"), "");
    const { writer, errors } = open("x", join(root, "file", "logs"));
    writer.write(started());
    writer.flush();
    writer.write(taskEnded(1));
    writer.flush();
    writer.close();
    expect(errors.length).toBe(1);
    expect(writer.dropped).toBe(2);
  });

  it("lists logs, the latest first", async () => {
    const names = (await listEventLogs(join(root, "logs"))).map((log) => log.path.slice(root.length));
    expect(names.sort()).toEqual(["/logs/a.jsonl", "/logs/cut.jsonl"]);
    expect(await listEventLogs(join(root, "nowhere"))).toEqual([]);
  });
});
