// A join with one hot key, made in parts: the records of the whole, in the same order on every master and whatever is done with
// them; also when a worker is killed on the way. What is told of the skew, in the job's summary and the event log.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listEventLogs, readEventLog } from "../../src/events/event-log-reader.js";
import type { SessionEvent } from "../../src/events/event-types.js";
import type { SessionOptions } from "../../src/index.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
const RECORDS = 12_000;
const KEYS = 40;
const PARTITIONS = 5;
/** A part reads about so much: the hot partition is made in many. */
const OPTIONS: SessionOptions = { "join.skew.threshold": "20k", "shuffle.flushBytes": "16k" };

const settings: readonly { readonly master: string; readonly options: SessionOptions }[] = [
  { master: "local[1]", options: {} },
  { master: "local[3]", options: { "memory.taskBytes": "256k" } },
  { master: "local", options: {} },
  { master: "local-cluster[2,1,512m]", options: { "shuffle.localReads": false, "shuffle.compress": true } },
  { master: "local-cluster[1,2,512m]", options: { "shuffle.compress": false } },
];

type Row = readonly [string, readonly [number, number]];

const keyOf = (n: number) => (n % 2 === 0 ? "hot" : `key ${n % KEYS}`);

/** Half of the left side has one key; the right side has one row a key, and two of the hot one. */
function joined(session: Session, left = session.range(0, RECORDS, 1, 8).map((n) => [keyOf(n), n / 7] as const)) {
  const right = session
    .range(0, KEYS, 1, 3)
    .flatMap((n) => [[`key ${n}`, n] as const, ...(n < 2 ? [["hot", n] as const] : [])]);
  return left.join(right, PARTITIONS);
}

const model = (): Row[] =>
  Array.from({ length: RECORDS }, (_, n) => n).flatMap((n): Row[] =>
    n % 2 === 0
      ? [
          ["hot", [n / 7, 0]],
          ["hot", [n / 7, 1]],
        ]
      : [[keyOf(n), [n / 7, n % KEYS]]],
  );
const sorted = (rows: readonly Row[]) => rows.map((row) => JSON.stringify(row)).sort();
const bits = (n: number) => Buffer.from(new Float64Array([n]).buffer).toString("hex");
const digest = (lines: readonly unknown[]) =>
  createHash("sha256")
    .update(lines.map((line) => JSON.stringify(line)).join("\n"))
    .digest("hex");

/** Tasks that worked on the hot partition in the last job; 1 where one made all parts, 0 where no skew was found. */
const tasksOnHotKey = (session: Session) => session.lastJob?.skew?.find(({ key }) => key === '"hot"')?.tasks ?? 0;

const programs: Readonly<Record<string, (session: Session, output: string) => Promise<unknown>>> = {
  "collect, and what reads the same records one by one or in part": async (session, output) => {
    const rows = joined(session);
    const all = await rows.collect();
    expect(tasksOnHotKey(session)).toBeGreaterThan(2);
    expect(await rows.numPartitions()).toBe(PARTITIONS);
    expect(sorted(all)).toEqual(sorted(model()));
    // In the order of collect, though no partition is divided among tasks here.
    expect(await rows.take(RECORDS)).toEqual(all.slice(0, RECORDS));
    const whole = await rows.mapPartitions((records) => [[...records]]).collect();
    expect(tasksOnHotKey(session)).toBe(1);
    expect(whole.flat()).toEqual(all);
    expect(whole).toHaveLength(PARTITIONS);
    await rows.map(([key, [l, r]]) => `${key} ${l} ${r}`).saveAsTextFile(output);
    const names = readdirSync(output)
      .filter((name) => name.startsWith("part-"))
      .sort();
    expect(names).toHaveLength(PARTITIONS);
    const lines = names.flatMap((name) => readFileSync(join(output, name), "utf8").trimEnd().split("\n"));
    expect(lines).toEqual(all.map(([key, [l, r]]) => `${key} ${l} ${r}`));
    return digest(all);
  },
  "a persisted join": async (session) => {
    const rows = joined(session).persist();
    const counted = await rows.count();
    const all = await rows.collect();
    expect(all).toHaveLength(counted);
    rows.unpersist();
    expect(await rows.collect()).toEqual(all);
    return digest(all);
  },
  "exchanges above it: sums to the last bit, groups and a sort in order": async (session) => {
    const rows = joined(session).map(([key, [l, r]]) => [`${key.slice(0, 4)} ${r % 3}`, l] as const);
    const sums = await rows.reduceByKey((a, b) => a + b, 3).collect();
    expect(tasksOnHotKey(session)).toBeGreaterThan(2);
    const groups = await rows
      .groupByKey(2)
      .map(([key, all]) => [key, [...all].slice(0, 50)])
      .collect();
    const ordered = await rows.sortBy(([key]) => key, true, 3).collect();
    const dealt = await rows.repartition(4).collect();
    const total = await rows.values().reduce((a, b) => a + b);
    return {
      sums: sums.map(([key, sum]) => [key, bits(sum)]),
      groups: digest(groups),
      ordered: digest(ordered),
      dealt: digest(dealt),
      total: bits(total),
      folded: bits(
        await rows.values().aggregate(
          0.1,
          (a, b) => a + b,
          (a, b) => a + b,
        ),
      ),
    };
  },
  "a join of a skewed join, with the hot key on the right": async (session) => {
    const names = session.parallelize(
      [
        ["hot", "h"],
        ["key 1", "one"],
        ["key 3", "three"],
      ] as const,
      2,
    );
    const twice = names.join(
      joined(session).mapValues(([l]) => l),
      PARTITIONS - 1,
    );
    const all = await twice.collect();
    // Of both joins.
    const hot = session.lastJob?.skew?.filter(({ key }) => key === '"hot"') ?? [];
    expect(hot.map(({ tasks }) => tasks > 2)).toEqual([true, true]);
    return digest(all);
  },
};

const first = new Map<string, unknown>();

test.each(settings)("$master with $options", async ({ master, options }) => {
  const session = await engine.open(master, { ...OPTIONS, ...options });
  const output = join(engine.directory, `joined-${settings.findIndex((one) => one.options === options)}`);
  for (const [name, program] of Object.entries(programs)) {
    const result = await program(session, output);
    if (!first.has(name)) first.set(name, result);
    expect(result, name).toStrictEqual(first.get(name));
  }
  await session.stop();
});

test("join.skew.enabled=false makes every partition in one, with the same records", async () => {
  const session = await engine.open("local[2]", { ...OPTIONS, "join.skew.enabled": false });
  const all = await joined(session).collect();
  expect(tasksOnHotKey(session)).toBe(1);
  expect(sorted(all)).toEqual(sorted(model()));
  await session.stop();
});

test("a worker killed in a part: the parts are made again, and the answer is that of a calm run", async () => {
  const session = await engine.open("local-cluster[2,1,512m]", OPTIONS);
  const calm = await joined(session).collect();
  const fault = join(engine.directory, "killed-in-a-part");
  const rows = joined(session).map((row) => {
    if (row[0] === "hot" && row[1][0] > RECORDS / 10 && !existsSync(fault)) {
      writeFileSync(fault, String(process.pid));
      process.kill(process.pid, "SIGKILL");
    }
    return row;
  });
  expect(await rows.collect()).toEqual(calm);
  expect(existsSync(fault)).toBe(true);
  expect(session.lastJob?.failedAttempts).toBeGreaterThan(0);
  expect(tasksOnHotKey(session)).toBeGreaterThan(2);
  expect(await session.range(0, 10, 1, 4).count()).toBe(10);
  await session.stop();
});

test("a worker killed while an exchange reads what parts have made: only lost ones are made again, to the same bits", async () => {
  const session = await engine.open("local-cluster[2,1,512m]", OPTIONS);
  const fault = join(engine.directory, "killed-above");
  const sums = (kill: boolean) =>
    joined(session)
      .map(([key, [l]]) => [key, l] as const)
      .groupByKey(3)
      .map(([key, values]) => {
        if (kill && key === "hot" && !existsSync(fault)) {
          writeFileSync(fault, String(process.pid));
          process.kill(process.pid, "SIGKILL");
        }
        return [key, [...values].reduce((a, b) => a + b)] as const;
      });
  const calm = await sums(false).collect();
  expect(await sums(true).collect()).toEqual(calm);
  expect(existsSync(fault)).toBe(true);
  expect(session.lastJob?.failedAttempts).toBeGreaterThan(0);
  await session.stop();
});

test("the event log has the skew of the stage that reads it, and the tasks that it was divided among", async () => {
  const logs = join(engine.directory, "events");
  const session = await engine.open("local[2]", { ...OPTIONS, "eventLog.enabled": true, "eventLog.dir": logs });
  await joined(session).count();
  const tasks = tasksOnHotKey(session);
  await session.stop();
  const events: SessionEvent[] = [];
  for await (const { path } of await listEventLogs(logs)) await readEventLog(path, (event) => events.push(event));
  const skew = events.find((event) => event.type === "skew");
  expect(skew).toMatchObject({
    exchange: expect.stringMatching(/^join at .*skew\.test\.ts/),
    key: '"hot"',
    share: expect.closeTo(0.5, 1),
    tasks,
  });
  const stage = skew?.type === "skew" ? skew.stage : -1;
  const started = events.find((event) => event.type === "stageStarted" && event.stage === stage);
  expect(started).toMatchObject({ tasks: PARTITIONS - 1 + tasks });
  const ended = events.findIndex((event) => event.type === "stageEnded" && event.stage === stage);
  const last = events.findLastIndex((event) => event.type === "taskEnded" && event.stage === stage);
  expect(ended).toBeGreaterThan(last);
});
