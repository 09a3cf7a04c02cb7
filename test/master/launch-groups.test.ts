// Short neighbouring tasks of a stage that reads a shuffle are one launch: how many, of which stages, and that each of them stays
// a task of its own when one fails, is lost or is called back.

import { expect, test } from "vitest";
import { jobId, workerId } from "../../src/core/ids.js";
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
    return this.sentLaunches
      .splice(0)
      .map(({ launch }) => tasksOf(launch).map(({ key }) => key.partition));
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
