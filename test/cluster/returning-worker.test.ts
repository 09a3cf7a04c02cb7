// A worker process ended by SIGKILL and started again on the same directory: what it had committed counts as if it had never
// gone, and nothing is computed again.

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Running, startCli, until } from "../support/cli.js";
import { type Session, sessions } from "../support/engine.js";
import { pidsBehind } from "../support/worker-pids.js";

const engine = sessions();
let session: Session | null = null;
const processes: Running[] = [];

afterEach(async () => {
  await session?.stop();
  session = null;
  for (const { child } of processes.splice(0)) child.kill("SIGKILL");
});

let gates = 0;

const workerPids = (s: Session, workers: number) => pidsBehind(join(engine.directory, `gate-${++gates}`), s, workers);

const ownerOf = (directory: string): number =>
  (JSON.parse(readFileSync(join(directory, "owner.json"), "utf8")) as { pid: number }).pid;

/** A shuffle of 12 maps, which counts the records that its maps have seen. */
function shuffledSums(s: Session) {
  const mapped = s.longAccumulator("mapped");
  const sums = s
    .range(0, 1_200, 1, 12)
    .map((n) => {
      mapped.add(1);
      return [n % 10, n];
    })
    .reduceByKey((a, b) => a + b, 4);
  return { mapped, sums };
}

const expected = Array.from({ length: 10 }, (_, key) => [key, 120 * key + 10 * ((119 * 120) / 2)]);
const sorted = (pairs: readonly (readonly [number, number])[]) => [...pairs].sort(([a], [b]) => a - b);

test("in a local cluster, where the launcher starts it again: the next job recomputes nothing", async () => {
  session = await engine.open("local-cluster[2,1,512m]");
  const { mapped, sums } = shuffledSums(session);
  expect(sorted(await sums.collect())).toEqual(expected);
  const before = await workerPids(session, 2);
  process.kill(before[0] as number, "SIGKILL");
  // Needs both slots: the process that was started again is there when it ends.
  const after = await workerPids(session, 2);
  expect(after.filter((pid) => before.includes(pid))).toEqual([before[1]]);
  expect(sorted(await sums.collect())).toEqual(expected);
  expect(mapped.value).toBe(1_200);
  expect(session.lastJob?.tasks).toBe(4);
});

test("without its files: through four shuffles exactly the map tasks run again whose outputs it held", async () => {
  session = await engine.open("local-cluster[2,1,512m]");
  const s = session;
  let counts = s.range(0, 1_200, 1, 6).map((n): [number, number] => [n, n]);
  // Each exchange has a key of its own, so that none is left out.
  for (let step = 1; step <= 4; step++)
    counts = counts.map(([key, n]): [number, number] => [key * 3 + step, n]).reduceByKey((a, b) => a + b, 6);
  const before = sorted(await counts.collect());
  const pids = await workerPids(s, 2);
  const directory = readdirSync(engine.directory)
    .map((name) => join(engine.directory, name))
    .find((path) => existsSync(join(path, "owner.json")) && ownerOf(path) === pids[0]) as string;
  const held = readdirSync(join(directory, "shuffle"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".data"),
  );
  expect(held.length).toBeGreaterThan(0);
  expect(held.length).toBeLessThan(24);
  rmSync(join(directory, "shuffle"), { recursive: true });
  process.kill(pids[0] as number, "SIGKILL");
  await workerPids(s, 2);
  expect(sorted(await counts.collect())).toEqual(before);
  expect(s.lastJob).toMatchObject({ tasks: held.length + 6, failedAttempts: 0 });
});

test("that held cached partitions: only these are computed again", async () => {
  session = await engine.open("local-cluster[2,1,512m]");
  const s = session;
  const computed = s.longAccumulator("computed");
  const kept = s
    .range(0, 80, 1, 8)
    .map((n) => {
      computed.add(1);
      return n;
    })
    .cache();
  // Read to its end: only a whole partition is kept.
  const holders = kept.mapPartitions((records) => [[...records].length > 0 ? process.pid : 0]);
  const before = await holders.collect();
  expect(await kept.count()).toBe(80);
  expect(computed.value).toBe(80);
  const [victim] = await workerPids(s, 2);
  const lost = before.filter((pid) => pid === victim).length;
  process.kill(victim as number, "SIGKILL");
  await workerPids(s, 2);
  expect(await kept.count()).toBe(80);
  expect(computed.value).toBe(80 + 10 * lost);
});

test("on a cluster started by hand: kill -9 of one of three, and it again with the same id and directory", async () => {
  const localDir = join(engine.directory, "by-hand");
  mkdirSync(localDir);
  const secretFile = join(engine.directory, "secret");
  writeFileSync(secretFile, "c2VjcmV0IG9mIHRoaXMgY2x1c3Rlcg-0123456789");
  chmodSync(secretFile, 0o600);
  const env = { MILLRACE_EVENT_LOG_ENABLED: "false", MILLRACE_SECRET: undefined };
  const start = (...args: string[]) => {
    const running = startCli([...args, "--secret-file", secretFile], env);
    processes.push(running);
    return running;
  };
  const master = start("master", "--port", "0");
  const [url] = await master.saw(/^millrace:\/\/\S+/m);
  const startWorker = async (id: string) => {
    const flags = ["--master", url, "--id", id, "--local-dir", localDir, "--slots", "1", "--memory", "512m"];
    const worker = start("worker", ...flags);
    await worker.saw(/connected to/);
    return worker;
  };
  const workers = await Promise.all(["w1", "w2", "w3"].map(startWorker));
  session = await engine.open(url, { secretFile });
  await workerPids(session, 3);
  const { mapped, sums } = shuffledSums(session);
  expect(sorted(await sums.collect())).toEqual(expected);
  const held = () =>
    readdirSync(join(localDir, "millrace-w1"), { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".data"),
    );
  const committed = held();
  expect(committed.length).toBeGreaterThan(0);
  const [first] = workers as [Running];
  first.child.kill("SIGKILL");
  expect((await first.ended).signal).toBe("SIGKILL");
  const again = await startWorker("w1");
  expect(await workerPids(session, 3)).toContain(again.pid);
  expect(sorted(await sums.collect())).toEqual(expected);
  expect(mapped.value).toBe(1_200);
  expect(held()).toEqual(committed);
  await session.stop();
  // What the worker brought back is its session's and goes with it.
  await until("the files of the session are removed", () => held().length === 0);
});
