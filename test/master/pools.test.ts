// How the pools of a session share its slots: the order of Spark's fair scheduler, and what follows of it on a cluster whose
// slots are always wanted: parts as the weights say, least shares kept, nobody left out.

import fc from "fast-check";
import { expect, test } from "vitest";
import { jobId, nodeId, sessionId, stageId, type TaskKey, workerId } from "../../src/core/ids.js";
import type { PoolDefinition, PoolDefinitions } from "../../src/core/scheduler-pools.js";
import { defaultMasterOptions } from "../../src/master/options.js";
import { compareFair, type FairShare } from "../../src/master/task-assigner/fair-order.js";
import { type Assignment, defaultTaskAssignerOptions, TaskAssigner } from "../../src/master/task-assigner/index.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import { DrivenMaster } from "./driven-master.js";
import { emptyJob, inline } from "./support.js";

const session = sessionId("s1");
const SEED = 20_261;

const share = (name: string, running: number, weight = 1, minShare = 0): FairShare => ({
  name,
  running,
  weight,
  minShare,
});

test.each<[string, FairShare, FairShare]>([
  ["one below its least share before one that has it", share("b", 1, 1, 2), share("a", 0)],
  ["of two below their least shares that with the smaller part of it", share("b", 2, 1, 8), share("a", 1, 9, 2)],
  ["else that with fewer attempts for its weight", share("b", 3, 3), share("a", 2)],
  ["of equals by name", share("a", 4, 2), share("b", 2)],
])("%s", (_, first, second) => {
  expect(compareFair(first, second)).toBeLessThan(0);
  expect(compareFair(second, first)).toBeGreaterThan(0);
});

test("the order is one: who is before whom does not depend on how they are sorted", () => {
  const any = fc.record({
    name: fc.constantFrom("a", "b", "c", "d"),
    running: fc.nat(20),
    weight: fc.integer({ min: 1, max: 5 }),
    minShare: fc.nat(10),
  });
  fc.assert(
    fc.property(any, any, any, (a, b, c) => {
      expect(Math.sign(compareFair(a, b))).toBe(-Math.sign(compareFair(b, a)) + 0);
      if (compareFair(a, b) <= 0 && compareFair(b, c) <= 0) expect(compareFair(a, c)).toBeLessThanOrEqual(0);
    }),
    { seed: SEED, numRuns: 1_000 },
  );
});

const open = {
  isPending: () => true,
  groups: false,
  mayFollow: () => false,
  allows: () => true,
  allowsTask: () => true,
  allowsCopy: () => false,
};
const always = 10_000;

/** A session all of whose pools want every slot, for ever; ends attempts at random and gives out what became free. */
class BusySlots {
  readonly assigner = new TaskAssigner(defaultTaskAssignerOptions);
  readonly running: Assignment[] = [];
  readonly names: readonly string[];

  constructor(
    pools: PoolDefinitions,
    readonly slots: number,
    stagesOf: number,
  ) {
    this.assigner.open(session, { localityWaitMs: 0, pools: { mode: "FAIR", pools } });
    this.names = Object.keys(pools);
    this.names.forEach((name, pool) => {
      for (let i = 0; i < stagesOf; i++) {
        const stage = stageId(pool * stagesOf + i + 1);
        this.assigner.addStage(session, stage, stage, open, 0, name);
        for (let partition = 0; partition < always; partition++) this.assigner.add(session, stage, partition, []);
      }
    });
    this.fill();
  }

  fill(): void {
    const { slots, running } = this;
    const worker = { worker: workerId("w"), node: "n", slots, inFlight: running.length, stalled: true };
    this.assigner.assign([worker], true, 0, (assignment) => running.push(assignment));
    expect(this.assigner.validate(running.map(keyOf))).toEqual([]);
  }

  end(at: number): void {
    const [ended] = this.running.splice(at % this.running.length, 1);
    this.assigner.left(keyOf(ended as Assignment));
  }

  attempts(name: string): number {
    return this.assigner.pools(session).find((pool) => pool.name === name)?.running ?? 0;
  }
}

function keyOf({ stage, partition }: Assignment): TaskKey {
  return { session, job: jobId(stage), stage, partition, attempt: 0 };
}

const pool: fc.Arbitrary<PoolDefinition> = fc.record({
  mode: fc.constantFrom("FIFO", "FAIR"),
  weight: fc.integer({ min: 1, max: 6 }),
  minShare: fc.nat(4),
});
const busy = fc.record({
  pools: fc.array(pool, { minLength: 2, maxLength: 5 }),
  spare: fc.nat(12),
  ends: fc.array(fc.array(fc.nat(99), { minLength: 1, maxLength: 6 }), { minLength: 5, maxLength: 25 }),
});

function named(pools: readonly PoolDefinition[], change: Partial<PoolDefinition> = {}): PoolDefinitions {
  return Object.fromEntries(pools.map((one, i) => [`p${i}`, { ...one, ...change }]));
}

test("pools that want every slot have them as their weights say, at any time", () => {
  fc.assert(
    fc.property(busy, ({ pools, spare, ends }) => {
      const defined = named(pools, { minShare: 0 });
      const cluster = new BusySlots(defined, pools.length + spare, 1);
      for (const round of [[], ...ends]) {
        for (const at of round) if (cluster.running.length > 0) cluster.end(at);
        cluster.fill();
        const of = (name: string) => ({ running: cluster.attempts(name), weight: defined[name]?.weight as number });
        // Nobody has a slot that another one had more right to.
        for (const a of cluster.names.map(of))
          for (const b of cluster.names.map(of))
            expect((a.running - 1) / a.weight).toBeLessThanOrEqual(b.running / b.weight);
      }
    }),
    { seed: SEED, numRuns: 60 },
  );
});

test("least shares are kept and nobody is left out where there are slots enough for that", () => {
  fc.assert(
    fc.property(busy, ({ pools, spare, ends }) => {
      const defined = named(pools);
      const least = pools.map(({ minShare }) => Math.max(1, minShare as number)).reduce((a, b) => a + b, 0);
      const cluster = new BusySlots(defined, least + spare, 1);
      for (const round of [[], ...ends]) {
        for (const at of round) if (cluster.running.length > 0) cluster.end(at);
        cluster.fill();
        for (const name of cluster.names)
          expect(cluster.attempts(name)).toBeGreaterThanOrEqual(Math.max(1, defined[name]?.minShare as number));
      }
    }),
    { seed: SEED, numRuns: 60 },
  );
});

test("over a long time the tasks that were launched are as the weights, wherever attempts end", () => {
  const cluster = new BusySlots({ a: { weight: 1 }, b: { weight: 2 }, c: { weight: 3 } }, 12, 2);
  const launched: Record<number, number> = {};
  for (let turn = 0; turn < 6_000; turn++) {
    cluster.end((turn * 7919) % 12);
    cluster.fill();
    const { stage } = cluster.running.at(-1) as Assignment;
    launched[stage] = (launched[stage] ?? 0) + 1;
  }
  // Two stages a pool, and pools are FIFO: the first stage takes all.
  expect(Object.keys(launched)).toEqual(["1", "3", "5"]);
  const [a, b, c] = [launched[1], launched[3], launched[5]] as [number, number, number];
  expect(b / a).toBeGreaterThan(1.9);
  expect(b / a).toBeLessThan(2.1);
  expect(c / a).toBeGreaterThan(2.85);
  expect(c / a).toBeLessThan(3.15);
});

test("stages of a FAIR pool share its slots, those of a FIFO pool come one after the other", () => {
  const stagesOf = (mode: "FIFO" | "FAIR") => {
    const { running } = new BusySlots({ p: { mode } }, 6, 3);
    return [1, 2, 3].map((stage) => running.filter((one) => one.stage === stage).length);
  };
  expect(stagesOf("FAIR")).toEqual([2, 2, 2]);
  expect(stagesOf("FIFO")).toEqual([6, 0, 0]);
});

test("pools that are defined anew count from the next task on", () => {
  const cluster = new BusySlots({ a: {}, b: {} }, 8, 1);
  expect([cluster.attempts("a"), cluster.attempts("b")]).toEqual([4, 4]);
  cluster.assigner.definePools(session, { b: { weight: 3 } });
  for (let i = 0; i < 400; i++) {
    cluster.end(i * 31);
    cluster.fill();
  }
  expect([cluster.attempts("a"), cluster.attempts("b")]).toEqual([2, 6]);
});

test("between sessions slots are shared evenly, whatever the pools in them", () => {
  const assigner = new TaskAssigner(defaultTaskAssignerOptions);
  const other = sessionId("s2");
  assigner.open(session, { pools: { mode: "FAIR", pools: { a: { weight: 100, minShare: 50 }, b: {} } } });
  assigner.open(other);
  for (const [id, stage, name] of [
    [session, 1, "a"],
    [session, 2, "b"],
    [other, 1, undefined],
  ] as const) {
    assigner.addStage(id, stage, stageId(stage), open, 0, name);
    for (let partition = 0; partition < 20; partition++) assigner.add(id, stageId(stage), partition, []);
  }
  const got: Record<string, number> = {};
  const worker = { worker: workerId("w"), node: "n", slots: 10, inFlight: 0, stalled: true };
  assigner.assign([worker], true, 0, ({ session: id }) => {
    got[id] = (got[id] ?? 0) + 1;
  });
  expect(got).toEqual({ [session]: 5, [other]: 5 });
});

const fair = { ...defaultMasterOptions.jobs, pools: { mode: "FAIR", pools: { fast: { minShare: 1 } } } } as const;

const tables = new WeakMap<DrivenMaster, ShuffleTable>();

function openMaster(policy?: typeof fair): DrivenMaster {
  const master = new DrivenMaster();
  const closed = { code: "JOB_CANCELLED", message: "to be opened otherwise", fields: {} } as const;
  master.handle({ kind: "sessionClosed", session: master.session, error: closed });
  master.handle({ kind: "sessionOpened", session: master.session, ...(policy === undefined ? {} : { policy }) });
  master.join("w", 1, 2);
  tables.set(master, new ShuffleTable());
  return master;
}

function submit(master: DrivenMaster, id: number, partitions: number, pool?: string): void {
  const graph = emptyJob(jobId(id), nodeId(id), partitions, tables.get(master));
  const traits = pool === undefined ? {} : { pool };
  master.handle({ kind: "submitted", session: master.session, graph, savesFiles: false, maxResultBytes: null, traits });
}

const jobsOf = (master: DrivenMaster) => master.launches.map(({ launch }) => launch.key.job);

test("a job in another pool gets the next free slot, a FIFO session takes no notice of pools", () => {
  for (const [policy, next] of [
    [fair, [1, 2]],
    [undefined, [1, 1]],
  ] as const) {
    const master = openMaster(policy);
    submit(master, 1, 6);
    expect(jobsOf(master)).toEqual([1, 1]);
    submit(master, 2, 1, "fast");
    master.succeed(master.launches[0] as (typeof master.launches)[number], inline());
    // What follows is queued ahead.
    expect(jobsOf(master).slice(0, 2)).toEqual(next);
    expect(master.machine.view.pools(master.session).map(({ name }) => name)).toEqual(
      policy ? ["default", "fast"] : [],
    );
    expect(master.machine.view.jobProgress(master.session).map(({ job, pool }) => ({ job, pool }))).toEqual([
      { job: 1 },
      { job: 2, pool: "fast" },
    ]);
    expect(master.machine.view.progress(master.session).map(({ pool }) => pool)).toEqual([undefined, "fast"]);
  }
});

test("what was cancelled counts in its pool until its worker has let go of it", () => {
  const master = openMaster(fair);
  submit(master, 1, 4, "slow");
  // The worker does not answer: its attempts are there still.
  const commands = master.machine.handle(
    { kind: "jobCancelled", session: master.session, job: jobId(1), reason: "a test" },
    0,
  );
  expect(commands).toContainEqual(expect.objectContaining({ kind: "jobEnded" }));
  expect(master.machine.validate()).toEqual([]);
  expect(master.machine.view.pools(master.session)).toMatchObject([
    { name: "default", running: 0 },
    { name: "fast", running: 0 },
    { name: "slow", running: 2, pending: 0, weight: 1, minShare: 0 },
  ]);
  for (const launched of [...master.launches]) master.end(launched, { kind: "cancelled" });
  // Nobody has defined it: it is gone with its last attempt.
  expect(master.machine.view.pools(master.session).map(({ name }) => name)).toEqual(["default", "fast"]);
});
