// Workers that are let go, as real processes: by the command line, by SIGTERM and SIGPWR, between jobs and in the middle of one.
// Each time the answers are the calm ones, no map or cached partition is computed a second time, nothing is charged, and the
// process ends with code 0 and leaves no directory.

import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { listEventLogs, readEventLog } from "../../src/events/event-log-reader.js";
import type { SessionEvent } from "../../src/events/event-types.js";
import { type Running, runCli, startCli, until, workerDirectories } from "../support/cli.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
const MAPS = 9;
const RECORDS = 3_600;
let scratches = 0;
let session: Session | null = null;
let running: Running[] = [];

afterEach(async () => {
  await session?.stop();
  session = null;
  for (const { child } of running.reverse()) if (child.exitCode === null) child.kill("SIGKILL");
  running = [];
});

/** A place of the test's own: its worker directories, event logs and marks of tasks. */
function scratch(): { readonly path: string; readonly localDir: string; mark(name: string): string } {
  const path = join(engine.directory, `s${++scratches}`);
  const localDir = join(path, "local");
  mkdirSync(localDir, { recursive: true });
  return { path, localDir, mark: (name) => join(path, name) };
}

const sizeOf = (path: string) => (existsSync(path) ? readFileSync(path).byteLength : 0);
const expectedSums = Array.from({ length: 10 }, (_, key) => [key, (RECORDS / 10) * (RECORDS / 2 - 5 + key)]);

/** Every partition of a map stage and of a cached RDD adds a byte to a file when it is computed. */
function program(s: Session, counts: { readonly maps: string; readonly cached: string }) {
  const { maps, cached } = counts;
  const sums = s
    .range(0, RECORDS, 1, MAPS)
    .mapPartitions((records) => {
      appendFileSync(maps, "m");
      return records;
    })
    .map((n) => [n % 10, n])
    .reduceByKey((a, b) => a + b);
  const kept = s
    .range(0, RECORDS, 1, MAPS)
    .mapPartitions((records) => {
      appendFileSync(cached, "c");
      return records;
    })
    .cache();
  return { sums, kept };
}

const sorted = (pairs: readonly (readonly [number, number])[]) => [...pairs].sort(([a], [b]) => a - b);

async function eventsOf(directory: string): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for (const { path } of await listEventLogs(directory)) await readEventLog(path, (event) => events.push(event));
  return events;
}

const failures = (events: readonly SessionEvent[]) =>
  events.filter(
    (event) => event.type === "taskEnded" && (event.outcome === "failed" || event.outcome === "fetchFailed"),
  );
const departures = (events: readonly SessionEvent[]) => events.filter((event) => event.type === "decommissionEnded");

/** The directories of workers by the pid of their process. */
function directoriesByPid(localDir: string): Map<number, string> {
  return new Map(
    workerDirectories(localDir).map((name) => {
      const path = join(localDir, name);
      return [(JSON.parse(readFileSync(join(path, "owner.json"), "utf8")) as { pid: number }).pid, path];
    }),
  );
}

function mapFiles(directory: string): string[] {
  const shuffles = join(directory, "shuffle");
  if (!existsSync(shuffles)) return [];
  return readdirSync(shuffles, { recursive: true, encoding: "utf8" })
    .map((name) => basename(name))
    .filter((name) => name.endsWith(".data"));
}

describe("a cluster that was started by hand", () => {
  interface Cluster {
    readonly url: string;
    readonly secret: readonly string[];
    readonly env: NodeJS.ProcessEnv;
    readonly workers: readonly Running[];
  }

  async function cluster(place: ReturnType<typeof scratch>, env: NodeJS.ProcessEnv = {}): Promise<Cluster> {
    const secretPath = place.mark("secret");
    writeFileSync(secretPath, "c2VjcmV0IG9mIHRoaXMgY2x1c3Rlcg-0123456789");
    chmodSync(secretPath, 0o600);
    const secret = ["--secret-file", secretPath];
    const all = {
      MILLRACE_LOCAL_DIR: place.localDir,
      MILLRACE_EVENT_LOG_DIR: place.mark("events"),
      MILLRACE_SECRET: undefined,
      ...env,
    };
    const master = startCli(["master", "--port", "0", ...secret], all);
    running.push(master);
    const url = (await master.saw(/^millrace:\/\/\S+/m))[0];
    const start = async (index: number) => {
      const flags = ["--slots", "1", "--memory", "512m", "--id", `w${index}`, "--node", `n${index}`];
      const worker = startCli(["worker", "--master", url, ...flags, ...secret], all);
      running.push(worker);
      await worker.saw(/connected to/);
      return worker;
    };
    const workers = [];
    for (const index of [0, 1, 2]) workers.push(await start(index));
    for (let active = 0; active < 3; ) {
      const { stdout } = await runCli(["status", "--json", "--master", url, ...secret], all);
      active = (JSON.parse(stdout) as { workers: { state: string }[] }).workers.filter(
        ({ state }) => state === "active",
      ).length;
    }
    return { url, secret, env: all, workers };
  }

  const open = async (place: ReturnType<typeof scratch>, { url }: Cluster, options = {}): Promise<Session> => {
    session = await engine.open(url, {
      secretFile: place.mark("secret"),
      "eventLog.enabled": true,
      ...options,
    });
    return session;
  };

  test.each([
    ["files of the machine are linked", {}],
    ["bytes travel over gRPC", { MILLRACE_SHUFFLE_LOCAL_READS: "false" }],
  ])("between two jobs nothing is computed again: %s", async (_how, env) => {
    const place = scratch();
    const made = await cluster(place, env);
    const s = await open(place, made);
    const counts = { maps: place.mark("maps"), cached: place.mark("cached") };
    const { sums, kept } = program(s, counts);
    expect(sorted(await sums.collect())).toEqual(expectedSums);
    expect(await kept.count()).toBe(RECORDS);
    expect([sizeOf(counts.maps), sizeOf(counts.cached)]).toEqual([MAPS, MAPS]);

    const args = ["worker", "decommission", "w1", "--master", made.url, ...made.secret];
    const { code, stdout, stderr } = await runCli(args, made.env);
    expect([code, stderr]).toEqual([0, ""]);
    const left = /worker w1 has left .*; (\d+) map outputs and (\d+) cached partitions .* were moved, nothing was lost/;
    const [, outputs, cached] = left.exec(stdout) ?? expect.fail(stdout);
    expect(Number(outputs)).toBeGreaterThan(0);
    expect(Number(cached)).toBeGreaterThan(0);
    // It has a name, so it would come back to its directory; now there is nothing to come back to.
    expect(await made.workers[1]?.ended).toMatchObject({ code: 0, signal: null });
    expect(workerDirectories(place.localDir).sort()).toEqual(["millrace-w0", "millrace-w2"]);

    expect(sorted(await sums.collect())).toEqual(expectedSums);
    expect(await kept.count()).toBe(RECORDS);
    expect([sizeOf(counts.maps), sizeOf(counts.cached)]).toEqual([MAPS, MAPS]);
    const again = await runCli(args, made.env);
    expect([again.code, again.stdout]).toEqual([0, expect.stringMatching(left)]);
    const { kind, worker, counts: told } = JSON.parse((await runCli([...args, "--json"], made.env)).stdout);
    expect({ kind, worker, moved: told.outputsMoved }).toEqual({ kind: "left", worker: "w1", moved: Number(outputs) });
    await s.stop();
    const events = await eventsOf(place.mark("events"));
    expect(failures(events)).toEqual([]);
    expect(departures(events)).toMatchObject([{ worker: "w1", outputsMoved: Number(outputs), blocksLost: 0 }]);
  });

  test("a task that outlasts the time is run elsewhere and not charged", async () => {
    const place = scratch();
    const made = await cluster(place);
    const s = await open(place, made, { "task.maxFailures": 1 });
    const [hung, pidOf] = [place.mark("hung"), place.mark("pid")];
    const job = s
      .range(0, 6, 1, 6)
      .map((n) => {
        if (n === 3 && !existsSync(hung)) {
          writeFileSync(pidOf, String(process.pid));
          writeFileSync(hung, "");
          for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
        }
        return n;
      })
      .collect();
    await until("the task hangs", () => existsSync(hung));
    const index = made.workers.findIndex(({ pid }) => pid === Number(readFileSync(pidOf, "utf8")));
    const args = ["worker", "decommission", `w${index}`, "--timeout", "1s", "--master", made.url, ...made.secret];
    const { code, stdout } = await runCli(args, made.env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/is leaving: 1 attempts run/);
    expect(stdout).toMatch(/has left .*: its time is over/);
    expect(await job).toEqual([0, 1, 2, 3, 4, 5]);
    expect((await made.workers[index]?.ended)?.code).toBe(0);
    await s.stop();
    expect(failures(await eventsOf(place.mark("events")))).toEqual([]);
  });

  test("SIGPWR lets a worker go; the last one goes too, and says what it takes along; nobody knows a stranger", async () => {
    const place = scratch();
    const made = await cluster(place);
    const s = await open(place, made);
    const counts = { maps: place.mark("maps"), cached: place.mark("cached") };
    const { kept } = program(s, counts);
    expect(await kept.count()).toBe(RECORDS);
    made.workers[0]?.child.kill("SIGPWR");
    expect((await made.workers[0]?.ended)?.code).toBe(0);
    expect(await kept.count()).toBe(RECORDS);
    expect(sizeOf(counts.cached)).toBe(MAPS);
    made.workers[1]?.child.kill("SIGTERM");
    expect((await made.workers[1]?.ended)?.code).toBe(0);
    expect(await kept.count()).toBe(RECORDS);
    expect(sizeOf(counts.cached)).toBe(MAPS);
    const ask = (id: string) => runCli(["worker", "decommission", id, "--master", made.url, ...made.secret], made.env);
    expect((await ask("nobody")).stderr).toMatch(/UNKNOWN_WORKER: this master has no worker nobody: there are w2/);
    const last = await ask("w2");
    expect(last.stdout).toMatch(
      /has left .*: there is no other worker that could take what it holds; .*9 blocks were lost/,
    );
    expect((await made.workers[2]?.ended)?.code).toBe(0);
    expect(workerDirectories(place.localDir)).toEqual([]);
  });
});

describe("a local cluster", () => {
  test.each([
    ["a core worker", "local-cluster[3,1,512m]", /^millrace-core-1-/],
    ["a task worker", "local-cluster[2+1,1,512m]", /^millrace-task-0-/],
  ])(
    "%s that gets SIGTERM in the middle of a job gives away what it holds, and is not replaced",
    async (_who, master, name) => {
      const place = scratch();
      const [gate, reached] = [place.mark("gate"), place.mark("reached")];
      session = await engine.open(master, {
        localDir: place.localDir,
        "eventLog.enabled": true,
        "eventLog.dir": place.mark("events"),
        "task.maxFailures": 1,
      });
      const counts = { maps: place.mark("maps"), cached: place.mark("cached") };
      const { sums, kept } = program(session, counts);
      expect(await kept.count()).toBe(RECORDS);
      // Every reducer says that it runs and waits at the gate: three of them, one on each worker.
      const job = sums
        .mapPartitions((records) => {
          appendFileSync(reached, "r");
          const deadline = Date.now() + 40_000;
          while (!existsSync(gate) && Date.now() < deadline)
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
          return records;
        })
        .collect();
      await until("three reducers run", () => sizeOf(reached) >= 3);
      const directories = directoriesByPid(place.localDir);
      const [pid, leaving] =
        [...directories].find(([, path]) => name.test(basename(path))) ?? expect.fail(String(name));
      const files = mapFiles(leaving);
      expect(files.length).toBeGreaterThan(0);
      process.kill(pid, "SIGTERM");
      const others = [...directories.values()].filter((path) => path !== leaving);
      // While its own task runs on.
      await until("its map outputs lie elsewhere", () => {
        const there = new Set(others.flatMap(mapFiles));
        return files.every((file) => there.has(file));
      });
      expect(existsSync(leaving)).toBe(true);
      writeFileSync(gate, "");
      expect(sorted(await job)).toEqual(expectedSums);
      await until("its directory is gone", () => !existsSync(leaving));
      expect(await kept.count()).toBe(RECORDS);
      expect(sorted(await sums.collect())).toEqual(expectedSums);
      expect([sizeOf(counts.maps), sizeOf(counts.cached)]).toEqual([MAPS, MAPS]);
      expect([...directoriesByPid(place.localDir).values()].sort()).toEqual([...others].sort());
      await session.stop();
      const events = await eventsOf(place.mark("events"));
      expect(failures(events)).toEqual([]);
      expect(departures(events)).toMatchObject([{ outputsMoved: files.length, blocksLost: 0 }]);
    },
  );
});
