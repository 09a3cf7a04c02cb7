// Skew from the statistics of map outputs: what is found, where a join is cut, and how the master runs the parts, also when
// outputs are lost on the way.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jobId, nodeId, sessionId, shuffleId, type TaskKey, workerId } from "../../src/core/ids.js";
import { MasterMachine } from "../../src/master/core.js";
import type { MasterCommand, MasterEvent } from "../../src/master/events.js";
import {
  cutJoin,
  cutMaps,
  type SkewRule,
  skewedPartitions,
  sliceTasks,
  weigh,
} from "../../src/master/job-scheduler/skew.js";
import { defaultMasterOptions } from "../../src/master/options.js";
import type { LineageNode, StorageLevel } from "../../src/plan/lineage.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import type { HotKey } from "../../src/plan/skew.js";
import type { StageGraph } from "../../src/plan/stages.js";
import { formatSkew } from "../../src/protocol/skew.js";
import type { MapOutput, TaskLaunch, TaskOutcome } from "../../src/protocol/tasks.js";
import { type JobParts, lower, rangeSource, registration, site, succeeded } from "./support.js";

const session = sessionId("s");
const rule: SkewRule = { enabled: true, factor: 5, thresholdBytes: 100 };
const output = (weights: readonly number[], hotKeys: readonly HotKey[] = []): MapOutput => ({
  sizes: weights,
  records: weights.reduce((a, b) => a + b, 0),
  checksum: "0",
  weights,
  ...(hotKeys.length === 0 ? {} : { hotKeys }),
});
const join = { left: shuffleId(1), right: shuffleId(2), divisible: true };
const cut = (
  left: readonly (readonly number[])[],
  right: readonly (readonly number[])[],
  more: Partial<SkewRule> = {},
) => {
  const [l, r] = [left, right].map((maps) => weigh(maps.map((one) => output(one))));
  return cutJoin(join, l!, r!, { ...rule, ...more });
};

describe("cuts", () => {
  test("hold all maps, none is empty of records, and they are about equal", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1000 })), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 12 }),
        (weights, parts) => {
          const cuts = cutMaps(weights, parts);
          expect(cuts[0]).toBe(0);
          expect(cuts.at(-1)).toBe(weights.length);
          expect(cuts.length - 1).toBeLessThanOrEqual(parts);
          const total = weights.reduce((a, b) => a + b, 0);
          const greatest = Math.max(...weights);
          for (let i = 1; i < cuts.length; i++) {
            const sum = weights.slice(cuts[i - 1], cuts[i]).reduce((a, b) => a + b, 0);
            if (total > 0) expect(sum).toBeGreaterThan(0);
            expect(sum).toBeLessThanOrEqual(total / parts + greatest);
          }
        },
      ),
    );
  });

  test("are made of the skewed side's maps, one part a threshold", () => {
    const even = [10, 10, 10];
    expect(
      cut(
        [
          [100, 10, 10],
          [100, 10, 10],
          [90, 10, 10],
        ],
        [even],
      ),
    ).toEqual([{ shuffle: 1, cuts: [0, 1, 2, 3] }, null, null]);
    expect(
      cut(
        [even],
        [
          [10, 10, 150],
          [10, 10, 150],
        ],
      ),
    ).toEqual([null, null, { shuffle: 2, cuts: [0, 1, 2] }]);
  });

  test("of two skewed sides the larger is cut, the other where that one lies in one map", () => {
    const left = [
      [300, 1, 1],
      [300, 1, 1],
    ];
    expect(
      cut(left, [
        [400, 1, 1],
        [400, 1, 1],
      ])[0],
    ).toEqual({ shuffle: 2, cuts: [0, 1, 2] });
    expect(
      cut(left, [
        [800, 1, 1],
        [0, 1, 1],
      ])[0],
    ).toEqual({ shuffle: 1, cuts: [0, 1, 2] });
    expect(
      cut(
        [
          [600, 1, 1],
          [0, 1, 1],
        ],
        [
          [800, 1, 1],
          [0, 1, 1],
        ],
      )[0],
    ).toBeNull();
  });

  test("are not made below the factor or the threshold, nor when the option is off", () => {
    const left = [
      [200, 50, 50],
      [200, 50, 50],
    ];
    expect(cut(left, [[1, 1, 1]])).toEqual([null, null, null]);
    expect(cut(left, [[1, 1, 1]], { factor: 2 })[0]).not.toBeNull();
    expect(cut(left, [[1, 1, 1]], { factor: 2, thresholdBytes: 400 })[0]).toBeNull();
    expect(cut(left, [[1, 1, 1]], { factor: 2, enabled: false })[0]).toBeNull();
  });

  test("become tasks of their own only where the stage is divisible", () => {
    const tasks = [0, 1].map((partition) => ({ partition, splits: [], cached: [] }));
    const parts = { shuffle: shuffleId(1), cuts: [0, 2, 5] };
    expect(sliceTasks(tasks, [null, parts], true).map(({ slice }) => slice)).toEqual([
      { partition: 0, parts: null },
      { partition: 1, parts: { shuffle: 1, cuts: [0, 2] } },
      { partition: 1, parts: { shuffle: 1, cuts: [2, 5] } },
    ]);
    expect(sliceTasks(tasks, [null, parts], false).map(({ slice }) => slice)).toEqual([
      { partition: 0, parts: null },
      { partition: 1, parts },
    ]);
    expect(sliceTasks(tasks, [null, null], true)).toBe(tasks);
  });
});

describe("findings", () => {
  const found = (outputs: readonly MapOutput[]) => skewedPartitions(outputs, weigh(outputs)!, rule);

  test("name the partition, its key's share over all maps, and the median", () => {
    const maps = [0, 1].map(() => output([10, 180, 10], [{ key: '"a"', partition: 1, records: 100 }]));
    const expected = { partition: 1, bytes: 360, medianBytes: 20, key: '"a"', share: 0.5 };
    expect(found(maps)).toEqual([expected]);
    const words = formatSkew({ ...expected, stage: 3, name: "join at x.ts:3:9", tasks: 4 });
    expect(words).toBe(
      'key "a" has 50 % of the records of join at x.ts:3:9 (partition 1: 360 B, median 20 B, read by 4 tasks)',
    );
  });

  test("without a hot key say that the partition is large", () => {
    const [skewed] = found([output([10, 180, 10])]);
    expect(skewed).toMatchObject({ partition: 1, key: null });
    expect(formatSkew({ ...skewed!, stage: 3, name: "join at x.ts:3:9", tasks: 1 })).toBe(
      "one partition of join at x.ts:3:9 is far larger than the others (partition 1: 180 B, median 10 B)",
    );
  });

  test("come of a key with a fifth of many records, however small these are", () => {
    const hot = { key: "7", partition: 1, records: 200_000 };
    const outputs = [{ ...output([20, 60, 20], [hot]), records: 900_000 }];
    expect(found(outputs)).toMatchObject([{ partition: 1, key: "7" }]);
    expect(found([{ ...output([20, 60, 20], [{ ...hot, records: 90_000 }]), records: 400_000 }])).toEqual([]);
  });

  test("are the same three, largest first, for many skewed partitions", () => {
    const outputs = [output([1, 900, 1, 700, 1, 800, 1, 600, 1, 1])];
    expect(found(outputs).map(({ partition }) => partition)).toEqual([1, 5, 3]);
  });

  test("are none where maps did not tell: their records were combined", () => {
    expect(weigh([output([1]), { sizes: [1], records: 1, checksum: "0" }])).toBeNull();
  });
});

/** sources 1 and 2, joined over three partitions (3, 4), a step above it (5), summed by key over two (6). */
const nodes: readonly LineageNode[] = [
  rangeSource(1),
  rangeSource(2),
  {
    id: nodeId(3),
    callSite: { ...site, method: "join" },
    kind: "cogroup",
    parents: [nodeId(1), nodeId(2)],
    partitioner: { kind: "hash", partitions: 3 },
  },
  narrow(4, 3, "joinPairs"),
  narrow(5, 4, "values"),
  {
    id: nodeId(6),
    callSite: site,
    kind: "combine",
    parent: nodeId(5),
    partitioner: { kind: "hash", partitions: 2 },
    aggregator: { kind: "first" },
    mapSideCombine: true,
  },
];

function narrow(id: number, parent: number, op: "joinPairs" | "values"): LineageNode {
  const base = { id: nodeId(id), callSite: site, kind: "narrow", parent: nodeId(parent) } as const;
  return { ...base, operator: { op }, preservesPartitioning: op === "joinPairs" };
}

class Master {
  readonly machine = new MasterMachine({
    ...defaultMasterOptions,
    jobs: { ...defaultMasterOptions.jobs, skew: rule },
  });
  readonly commands: MasterCommand[] = [];
  launches: { readonly worker: string; readonly launch: TaskLaunch }[] = [];

  constructor(...workers: string[]) {
    this.handle({ kind: "sessionOpened", session });
    for (const name of workers) {
      this.handle({ kind: "workerRegistered", registration: registration(name) });
      this.handle({ kind: "heartbeat", worker: workerId(name), incarnation: 1, running: [] });
    }
  }

  handle(event: MasterEvent): MasterCommand[] {
    const commands = this.machine.handle(event, 0);
    expect(this.machine.validate()).toEqual([]);
    this.commands.push(...commands);
    for (const command of commands) {
      if (command.kind !== "send" || command.message.kind !== "launch") continue;
      for (const launch of command.message.launches) this.launches.push({ worker: command.worker, launch });
    }
    return commands;
  }

  submit(graph: StageGraph, savesFiles = false): void {
    this.handle({ kind: "submitted", session, graph, savesFiles, maxResultBytes: null });
  }

  end(worker: string, key: TaskKey, outcome: TaskOutcome): MasterCommand[] {
    const status = { kind: "ended", key, outcome } as const;
    return this.handle({ kind: "statuses", worker: workerId(worker), incarnation: 1, statuses: [status] });
  }

  /** Ends the oldest launch: map tasks of stages with `weights` say these, others one record a partition. */
  step(weights: Readonly<Record<number, readonly number[]>>): TaskLaunch {
    const { worker, launch } = this.launches.shift()!;
    const { stage } = launch.key;
    const isResult = this.result === stage;
    const told = weights[stage];
    const result = isResult
      ? ({ kind: "inline", bytes: new Uint8Array(0), records: 0 } as const)
      : ({
          kind: "mapOutput",
          shuffle: shuffleId(stage),
          output: told === undefined ? { sizes: [1, 1], records: 2, checksum: "0" } : output(told),
        } as const);
    const status = succeeded(launch.key, result);
    this.handle({ kind: "statuses", worker: workerId(worker), incarnation: 1, statuses: [status] });
    return launch;
  }

  result = 0;

  /** Steps until nothing is launched; the launches in order. */
  run(weights: Readonly<Record<number, readonly number[]>>): TaskLaunch[] {
    const done: TaskLaunch[] = [];
    while (this.launches.length > 0) done.push(this.step(weights));
    return done;
  }

  get ended() {
    return this.commands.find((command) => command.kind === "jobEnded");
  }
}

const HOT = { 1: [150, 10, 10], 2: [10, 10, 10] };
const planned = (more: Partial<JobParts> = {}) =>
  lower({ job: jobId(1), nodes, root: 6, sources: { 1: 3, 2: 2 }, ...more });
const name = ({ key, slice }: TaskLaunch) =>
  `${key.stage}/${key.partition}.${key.attempt}${slice === undefined ? "" : ` of ${slice.partition}: ${slice.parts?.cuts.join("-") ?? "whole"}`}`;

describe("the master", () => {
  test("runs the parts of a skewed partition as tasks, and the next exchange reads all their outputs in order", () => {
    const master = new Master("a");
    const graph = planned();
    master.result = graph.resultStage;
    master.submit(graph);
    const launches = master.run(HOT).map(name);
    expect(launches).toEqual([
      ...["1/0.0", "1/1.0", "1/2.0", "2/0.0", "2/1.0"],
      ...["3/0.0 of 0: 0-1", "3/1.0 of 0: 1-2", "3/2.0 of 0: 2-3", "3/3.0 of 1: whole", "3/4.0 of 2: whole"],
      ...["4/0.0", "4/1.0"],
    ]);
    const locations = master.commands.flatMap((command) =>
      command.kind === "send" && command.message.kind === "mapOutputs" ? [command.message.locations] : [],
    );
    expect(locations.at(-1)?.outputs).toHaveLength(5);
    expect(master.commands).toContainEqual({
      kind: "stagePlanned",
      session,
      job: 1,
      stage: 3,
      tasks: 5,
      skew: [
        {
          stage: 3,
          name: expect.stringContaining("join"),
          partition: 0,
          bytes: 450,
          medianBytes: 30,
          key: null,
          share: 0,
          tasks: 3,
        },
      ],
    });
    expect(master.ended).toMatchObject({ error: null, summary: { tasks: 12, skew: [{ partition: 0, tasks: 3 }] } });
  });

  test("delivers the parts of a result stage in the order of partitions", () => {
    const master = new Master("a", "b");
    const graph = planned({ root: 5, action: { kind: "collect", limit: null } });
    master.result = graph.resultStage;
    master.submit(graph);
    for (let i = 0; i < 5; i++) master.step(HOT);
    // The latest first.
    while (master.launches.length > 0) {
      master.launches.reverse();
      master.step(HOT);
    }
    const delivered = master.commands.flatMap((command) => (command.kind === "deliver" ? [command.partition] : []));
    expect(delivered).toEqual([0, 1, 2, 3, 4]);
    expect(master.ended).toMatchObject({ error: null });
  });

  test.each([
    ["a save", { action: { kind: "saveAsTextFile", url: "file:///x", compression: "none" } }],
    ["take", { action: { kind: "collect", limit: 100 } }],
    ["fold", { action: { kind: "aggregate", zero: new Uint8Array(0), seq: { hash: "f" } } }],
    ["a persisted step", { storage: { 5: "MEMORY_ONLY" as StorageLevel }, action: { kind: "collect", limit: null } }],
  ])("has one task make the parts one after the other for %s", (_, more) => {
    const master = new Master("a");
    const graph = planned({ root: 5, ...(more as Partial<JobParts>) });
    master.result = graph.resultStage;
    master.submit(graph);
    const launches = master.run(HOT).map(name).slice(5);
    expect(launches).toEqual(["3/0.0 of 0: 0-1-2-3", "3/1.0 of 1: whole", "3/2.0 of 2: whole"]);
  });

  test("recomputes a lost output of the cut side, and keeps the parts whatever the new one says", () => {
    const master = new Master("a");
    const graph = planned();
    master.result = graph.resultStage;
    master.submit(graph);
    for (let i = 0; i < 6; i++) master.step(HOT);
    const { worker, launch } = master.launches.shift()!;
    expect(name(launch)).toBe("3/1.0 of 0: 1-2");
    const error = { code: "FETCH_FAILED", message: "gone", fields: {} } as const;
    const { shuffle } = launch.slice!.parts!;
    master.end(worker, launch.key, { kind: "fetchFailed", shuffle, map: 1, worker: workerId("a"), error });
    const launches = master.run({ ...HOT, 1: [1, 1, 1] }).map(name);
    expect(launches.filter((one) => one.startsWith("1/"))).toEqual(["1/1.1"]);
    expect(launches.filter((one) => one.startsWith("3/")).sort()).toEqual([
      "3/1.1 of 0: 1-2",
      "3/2.0 of 0: 2-3",
      "3/3.0 of 1: whole",
      "3/4.0 of 2: whole",
    ]);
    expect(master.ended).toMatchObject({ error: null, summary: { failedAttempts: 0 } });
  });

  test("recomputes a part's own output when it is lost to the stage that reads it", () => {
    const master = new Master("a");
    const graph = planned();
    master.result = graph.resultStage;
    master.submit(graph);
    for (let i = 0; i < 10; i++) master.step(HOT);
    const { worker, launch } = master.launches.shift()!;
    expect(name(launch)).toBe("4/0.0");
    const error = { code: "FETCH_FAILED", message: "gone", fields: {} } as const;
    const { shuffle } = launch.shuffles[0]!;
    master.end(worker, launch.key, { kind: "fetchFailed", shuffle, map: 4, worker: workerId("a"), error });
    expect(master.run(HOT).map(name)).toEqual(["3/4.1 of 2: whole", "4/0.1", "4/1.0"]);
    expect(master.ended).toMatchObject({ error: null });
  });

  test("a later job whose worker went reads the same parts, and computes all of them again", () => {
    const table = new ShuffleTable();
    const master = new Master("a", "b");
    const first = planned({ table });
    master.result = first.resultStage;
    master.submit(first);
    master.run(HOT);
    master.handle({ kind: "workerLost", worker: workerId("a"), incarnation: 1, reason: "killed" });
    const second = planned({ table, job: jobId(2) });
    master.result = second.resultStage;
    const [left, right, joined] = second.stages.map((stage) => stage.id);
    master.submit(second);
    // Evenly this time: what was settled holds.
    const launches = master.run({ [left!]: [1, 1, 1], [right!]: [1, 1, 1] });
    const again = launches.filter(({ key }) => key.stage === joined);
    expect(again.length).toBeGreaterThan(0);
    for (const launch of again) expect(name(launch)).toMatch(/ of 0: \d-\d| of [12]: whole/);
    const locations = master.commands.flatMap((command) =>
      command.kind === "send" && command.message.kind === "mapOutputs" ? [command.message.locations] : [],
    );
    expect(locations.at(-1)?.outputs).toHaveLength(5);
    const ends = master.commands.filter((command) => command.kind === "jobEnded");
    expect(ends.map(({ error }) => error)).toEqual([null, null]);
  });
});
