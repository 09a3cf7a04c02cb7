// Short neighbouring tasks of a stage that reads a shuffle are one launch: how many, of which stages, and that each of them stays
// a task of its own when one fails, is lost or is called back.

import { expect, test } from "vitest";
import { jobId } from "../../src/core/ids.js";
import { noMetrics, type TaskLaunch, type TaskStatus, tasksOf } from "../../src/protocol/tasks.js";
import { chainOf, DrivenMaster, type Launched, output } from "./driven-master.js";
import { inline, lower } from "./support.js";

const MAPS = 2;

/** Launches as they leave, and the master that has sent them. */
class Launches extends DrivenMaster {
  readonly sentLaunches: { readonly worker: string; readonly launch: TaskLaunch }[] = [];

  override handle(...event: Parameters<DrivenMaster["handle"]>) {
    const commands = super.handle(...event);
    for (const command of commands)
      if (command.kind === "send" && command.message.kind === "launch")
        for (const launch of command.message.launches) this.sentLaunches.push({ worker: command.worker, launch });
    return commands;
  }

  /** Partitions of each launch since the last look. */
  take(): number[][] {
    return this.sentLaunches.splice(0).map(({ launch }) => tasksOf(launch).map(({ key }) => key.partition));
  }

  done(launched: Launched, runMs: number): void {
    const metrics = { ...noMetrics, runMs };
    this.end(launched, { kind: "succeeded", result: inline(1), accumulators: [], metrics, cached: [] });
  }

  of(partition: number): Launched {
    const found = this.launches.find(({ launch: { key } }) => key.partition === partition);
    if (found === undefined) throw new Error(`partition ${partition} is not launched`);
    return found;
  }
}

/** Maps are done, and the first reduce task of each slot is launched. */
function reducing(partitions: number, slots: number, ...workers: string[]): Launches {
  const master = new Launches();
  for (const name of workers) master.join(name, 1, slots);
  const nodes = chainOf(1, partitions);
  master.submit(lower({ job: jobId(1), nodes, root: 2, sources: { 1: MAPS }, action: { kind: "count" } }));
  while (master.launches.some(({ launch }) => launch.splits.length > 0))
    master.succeed(master.launches[0] as Launched, output(1, partitions));
  return master;
}

test("once it is known that they are short neighbouring tasks are launched together, fewer as fewer are left", () => {
  const master = reducing(40, 2, "a");
  expect(master.take().slice(MAPS)).toEqual([[0], [1]]);
  master.done(master.of(0), 1);
  // 38 wait, for two slots: a quarter of them a launch. One fills the slot, others are queued ahead.
  const sizes: number[] = [];
  const seen: number[] = [];
  for (let launches = master.take(); launches.length > 0; launches = master.take()) {
    for (const one of launches) {
      sizes.push(one.length);
      expect(one).toEqual(one.map((_, i) => (one[0] as number) + i));
      seen.push(...one);
    }
    while (master.launches.length > 0) master.done(master.launches[0] as Launched, 1);
  }
  expect(seen).toEqual(Array.from({ length: 38 }, (_, i) => i + 2));
  expect(sizes[0]).toBe(10);
  expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
  expect(sizes.at(-1)).toBe(1);
  expect(master.ended(jobId(1))?.summary.tasks).toBe(MAPS + 40);
});

/** A launch of partitions 2 to 11 is on its way, or runs. */
function grouped(...workers: string[]): Launches {
  const master = reducing(40, 2, ...workers);
  master.take();
  master.done(master.of(0), 1);
  return master;
}

const code = (name: string) => ({ code: name, message: "", fields: {} }) as never;

test("a task of a launch that fails is tried again by itself, what was handed back with it is launched again", () => {
  const master = grouped("a");
  const [first] = master.take() as [number[]];
  expect(first).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  master.done(master.of(2), 1);
  const rest = first.slice(2).map((partition) => master.of(partition));
  master.end(master.of(3), { kind: "failed", error: code("TASK_FAILED"), metrics: null });
  for (const launched of rest) master.end(launched, { kind: "cancelled" });
  master.finish(() => inline(1));
  expect(master.ended(jobId(1))).toMatchObject({ error: null, summary: { tasks: MAPS + 40, failedAttempts: 1 } });
  const attempts = master.sentLaunches.flatMap(({ launch }) => tasksOf(launch)).map(({ key }) => key);
  expect(attempts.filter(({ partition }) => partition === 3)).toMatchObject([{ attempt: 1 }]);
  for (const { launch } of rest) expect(attempts).toContainEqual({ ...launch.key, attempt: 1 });
});

test("with its worker only the task of a launch is charged that ran", () => {
  const master = grouped("a", "b");
  const worker = master.of(2).worker;
  const key = master.of(2).launch.key;
  const running: TaskStatus = { kind: "running", key, slot: 0 };
  master.handle({ kind: "statuses", ...master.from(worker), statuses: [running] });
  const held = master.launches.filter((one) => one.worker === worker).length;
  expect(held).toBeGreaterThan(3);
  master.lose(worker);
  // Its map outputs are gone too.
  master.finish(({ launch }) => (launch.splits.length > 0 ? output(1, 40) : inline(1)));
  const ended = master.ended(jobId(1));
  expect(ended?.error).toBeNull();
  // Two slots: what ran in them, nothing that waited behind it.
  expect(ended?.summary.failedAttempts).toBeGreaterThan(0);
  expect(ended?.summary.failedAttempts).toBeLessThanOrEqual(2);
});

test("what waits behind a task that turned out long is called back, and the slot of the launch is free with its last task", () => {
  const master = grouped("a");
  const [first] = master.take() as [number[]];
  master.now += 2_000;
  master.look();
  const machineUnits = () => master.machine.view.workers[0]?.units;
  const units = machineUnits() as number;
  const tick = master.machine.handle({ kind: "tick" }, master.now);
  const called = tick.flatMap((command) =>
    command.kind === "send" && command.message.kind === "cancel"
      ? command.message.keys.map((key) => key.partition)
      : [],
  );
  expect(called).toEqual(expect.arrayContaining(first.slice(1)));
  expect(called).not.toContain(first[0]);
  for (const partition of called) master.end(master.of(partition), { kind: "cancelled" });
  expect(machineUnits()).toBeLessThanOrEqual(units);
  master.finish(() => inline(1));
  expect(master.ended(jobId(1))?.error).toBeNull();
  expect(machineUnits()).toBe(0);
});

test("tasks whose inputs are splits or cached partitions are launched by themselves", () => {
  const master = new Launches("a");
  const nodes = chainOf(1, 2);
  master.submit(lower({ job: jobId(1), nodes, root: 1, sources: { 1: 30 }, action: { kind: "count" } }));
  while (master.launches.length > 0) master.done(master.launches[0] as Launched, 1);
  expect(master.take().every((launch) => launch.length === 1)).toBe(true);
});
