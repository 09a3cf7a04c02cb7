// A map output that is computed again and holds other records: what was made from the earlier one starts over, everywhere, and
// what cannot be taken back ends its job.

import { describe, expect, test } from "vitest";
import { jobId, nodeId } from "../../src/core/ids.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import { chainOf, DrivenMaster, type Launched, output } from "./driven-master.js";
import { inline, type JobParts, lower } from "./support.js";

const one = jobId(1);
const two = jobId(2);

const chain = (job: number, shuffles: number, more: Partial<JobParts> = {}) =>
  lower({
    job: jobId(job),
    nodes: chainOf(shuffles),
    root: shuffles + 1,
    sources: { 1: 2 },
    action: { kind: "collect", limit: null },
    ...more,
  });

const partitionsOf = (launches: readonly Launched[], stage: number | undefined) =>
  launches.filter(({ launch }) => launch.key.stage === stage).map(({ launch }) => launch.key.partition);

/** Two workers, a shuffle of two maps of which each holds one, and the first reducer done. Answers who holds map 0. */
function halfReduced(master: DrivenMaster, graph: ReturnType<typeof chain>): string {
  master.submit(graph);
  const holder = master.launchOf(graph, 0, 0).worker;
  master.succeed(master.launchOf(graph, 0, 0), output(7));
  master.succeed(master.launchOf(graph, 0, 1), output(8));
  master.succeed(master.launchOf(graph, 1, 0), inline());
  return holder;
}

/** The holder of map 0 dies, and map 0 comes again with `checksum`. Answers who has it now. */
function recompute(master: DrivenMaster, graph: ReturnType<typeof chain>, holder: string, checksum: number): string {
  master.lose(holder);
  master.join(`after-${holder}`, 1, 4);
  master.look();
  const again = master.launchOf(graph, 0, 0);
  master.succeed(again, output(checksum));
  return again.worker;
}

describe("a lost map output that comes again", () => {
  test("with the same records costs nothing else", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 1);
    recompute(master, graph, halfReduced(master, graph), 7);
    expect(master.commandsOf("restartResults")).toEqual([]);
    expect(partitionsOf(master.launches, graph.stages[1]?.id)).toEqual([1]);
    master.finish(() => inline());
    expect(master.ended(one)).toMatchObject({ error: null });
  });

  test("with other records takes the results back and runs every reducer again; the other maps stay", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 1);
    recompute(master, graph, halfReduced(master, graph), 9);
    expect(master.commandsOf("restartResults")).toMatchObject([{ job: 1 }]);
    master.finish(() => inline());
    expect(master.commandsOf("deliver").map(({ partition }) => partition)).toEqual([0, 1]);
    expect(partitionsOf(master.launches, graph.stages[0]?.id)).toEqual([]);
    expect(master.ended(one)).toMatchObject({ error: null });
  });

  test("with other records lets a result go that waited on its worker for an earlier partition", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 1);
    master.submit(graph);
    const maps = [0, 1].map((map) => master.launchOf(graph, 0, map));
    for (const [map, launched] of maps.entries()) master.succeed(launched, output(7 + map));
    const late = master.launchOf(graph, 1, 1);
    master.succeed(late, { kind: "block", sizeBytes: 100_000, records: 9 });
    expect(master.commandsOf("deliver")).toEqual([]);
    const map = maps.findIndex(({ worker }) => worker !== late.worker);
    master.lose((maps[map] as Launched).worker);
    master.join("c");
    master.look();
    master.succeed(master.launchOf(graph, 0, map), output(9));
    expect(master.sent("releaseResults")).toEqual([{ kind: "releaseResults", keys: [late.launch.key] }]);
    master.finish(() => inline());
    expect(master.ended(one)).toMatchObject({ error: null });
  });

  test("with other records that nobody had read starts nothing over", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 1);
    master.submit(graph);
    const first = master.launchOf(graph, 0, 0);
    master.succeed(first, output(7));
    recompute(master, graph, first.worker, 9);
    master.finish(({ launch }) => (launch.key.stage === graph.stages[0]?.id ? output(8) : inline()));
    expect(master.commandsOf("restartResults")).toEqual([]);
    expect(master.ended(one)).toMatchObject({ error: null, summary: { failedAttempts: 0 } });
  });

  test("without checksums is taken as it is", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 1);
    master.submit(graph);
    const holder = master.launchOf(graph, 0, 0).worker;
    for (const map of [0, 1]) master.succeed(master.launchOf(graph, 0, map), output(0));
    master.succeed(master.launchOf(graph, 1, 0), inline());
    recompute(master, graph, holder, 0);
    expect(master.commandsOf("restartResults")).toEqual([]);
  });

  test("several of one loss start their readers over once", () => {
    const master = new DrivenMaster("a");
    const graph = chain(1, 1);
    master.submit(graph);
    for (const map of [0, 1]) master.succeed(master.launchOf(graph, 0, map), output(map + 1));
    master.succeed(master.launchOf(graph, 1, 0), inline());
    master.join("b");
    master.lose("a");
    master.look();
    for (const map of [0, 1]) master.succeed(master.launchOf(graph, 0, map), output(map + 5));
    expect(master.commandsOf("restartResults")).toHaveLength(1);
    master.finish(() => inline());
    expect(master.ended(one)).toMatchObject({ error: null });
  });
});

describe("what was made from it, through further shuffles,", () => {
  test("is dropped and made again in order, and running attempts are cancelled", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 3);
    master.submit(graph);
    const holder = master.launchOf(graph, 0, 0).worker;
    for (const stage of [0, 1, 2])
      for (const map of [0, 1]) {
        const next = master.launchOf(graph, stage, map);
        // All but map 0 lie with the one who survives.
        master.succeed(next, output(stage * 10 + map + 1));
      }
    const reading = master.launches.filter(({ worker }) => worker !== holder);
    master.lose(holder);
    master.join("c");
    master.look();
    master.finish(({ launch }) => {
      const stage = graph.stages.findIndex(({ id }) => id === launch.key.stage);
      // The first stage gives something else, and so does all that follows.
      return stage === 3 ? inline() : output(100 + stage * 10 + launch.key.partition);
    });
    expect(reading.length).toBeGreaterThan(0);
    expect(master.sent("cancel").flatMap(({ keys }) => keys)).toEqual(
      expect.arrayContaining([expect.objectContaining({ stage: graph.stages[3]?.id })]),
    );
    expect(master.ended(one)).toMatchObject({ error: null });
  });

  test("also a shuffle that an earlier job left, and partitions that it cached", () => {
    const master = new DrivenMaster("a", "b");
    const table = new ShuffleTable();
    const storage = { 3: "MEMORY_ONLY" } as const;
    const nodes = chainOf(3);
    const first = lower({ job: one, nodes, root: 4, sources: { 1: 2 }, storage, table });
    master.submit(first);
    const holder = master.launchOf(first, 0, 0).worker;
    for (const map of [0, 1]) master.succeed(master.launchOf(first, 0, map), output(map + 1));
    for (const map of [0, 1]) {
      master.succeed(master.launchOf(first, 1, map), output(map + 11));
    }
    // Node 3 is read from shuffle 2 and kept where it is made.
    for (const map of [0, 1]) {
      const made = master.launchOf(first, 2, map);
      master.succeed(made, output(map + 21), [{ node: nodeId(3), partition: map, sizeBytes: 1 }]);
    }
    master.finish(() => inline());
    expect(master.ended(one)).toMatchObject({ error: null });
    // Another job reads only the first shuffle, of which one output went with its worker.
    master.lose(holder);
    master.look();
    const second = lower({ job: two, nodes, root: 2, sources: { 1: 2 }, storage, table });
    master.submit(second);
    master.succeed(master.launchOf(second, 0, 0), output(99));
    expect(master.sent("uncache")).toMatchObject([{ node: 3 }]);
    master.finish(() => inline());
    expect(master.ended(two)).toMatchObject({ error: null });
    // What the first job left would be of the earlier version: all of it is made again, for generation 1.
    const third = lower({ job: jobId(3), nodes, root: 4, sources: { 1: 2 }, storage, table });
    master.submit(third);
    const stages: (number | undefined)[] = [];
    master.finish(({ launch }) => {
      const stage = third.stages.findIndex(({ id }) => id === launch.key.stage);
      stages.push(stage);
      if (stage === 2) expect(launch.generations).toEqual([{ node: 3, generation: 1 }]);
      return stage === 3 ? inline() : output(stage * 10 + 50);
    });
    expect(stages).toEqual([1, 1, 2, 2, 3, 3]);
  });

  test("a partition that a cancelled attempt caches late is refused", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 2, { storage: { 2: "MEMORY_ONLY" } });
    master.submit(graph);
    const holder = master.launchOf(graph, 0, 0).worker;
    for (const map of [0, 1]) master.succeed(master.launchOf(graph, 0, map), output(map + 1));
    const late = master.launches.find(({ worker }) => worker !== holder) as Launched;
    master.succeed(master.launches.find((one) => one !== late) as Launched, output(11));
    master.launches = master.launches.filter((one) => one !== late);
    recompute(master, graph, holder, 9);
    const cached = [{ node: nodeId(2), partition: late.launch.key.partition, sizeBytes: 1 }];
    master.look();
    master.succeed(late, output(12), cached);
    expect(master.sent("uncache")).toMatchObject([{ node: 2 }]);
    expect(master.launches.every(({ launch }) => launch.cached.length === 0)).toBe(true);
  });
});

describe("what cannot be taken back", () => {
  test("records that the program has seen: the job fails and says why", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 1, { action: { kind: "collect", limit: null, streamed: true } });
    master.submit(graph, { streamed: true });
    const holder = master.launchOf(graph, 0, 0).worker;
    for (const map of [0, 1]) master.succeed(master.launchOf(graph, 0, map), output(map + 1));
    master.succeed(master.launchOf(graph, 1, 0), inline());
    recompute(master, graph, holder, 9);
    const error = master.ended(one)?.error;
    expect(error).toMatchObject({ code: "INDETERMINATE_RESULT", fields: { job: 1, partition: 0 } });
    expect(error?.message).toMatch(/repartition at test\.ts:2.*given some of its records.*Seed the random numbers/s);
  });

  test("but a stream of which nothing was given starts over", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 1, { action: { kind: "collect", limit: null, streamed: true } });
    master.submit(graph, { streamed: true });
    const holder = master.launchOf(graph, 0, 0).worker;
    for (const map of [0, 1]) master.succeed(master.launchOf(graph, 0, map), output(map + 1));
    master.succeed(master.launchOf(graph, 1, 1), inline());
    recompute(master, graph, holder, 9);
    master.finish(() => inline());
    expect(master.ended(one)).toMatchObject({ error: null });
  });

  test("an output that is being committed: the job fails and its output is removed", () => {
    const master = new DrivenMaster("a", "b");
    const table = new ShuffleTable();
    const graph = chain(1, 1, { table });
    master.submit(graph, { savesFiles: true });
    const holder = master.launchOf(graph, 0, 0).worker;
    for (const map of [0, 1]) master.succeed(master.launchOf(graph, 0, map), output(map + 1));
    for (const part of [0, 1]) {
      const file = { kind: "file", pending: `p${part}`, final: `f${part}`, sizeBytes: 1, records: 1 } as const;
      master.succeed(master.launchOf(graph, 1, part), file);
    }
    expect(master.commandsOf("commitOutput")).toHaveLength(1);
    const other = chain(2, 1, { table });
    master.lose(holder);
    master.submit(other);
    master.succeed(master.launchOf(other, 0, 0), output(9));
    expect(master.ended(one)).toMatchObject({ error: { code: "INDETERMINATE_RESULT" } });
    expect(master.commandsOf("abortOutput")).toMatchObject([{ job: 1 }]);
  });

  test("part files that wait for the others are written again", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 1);
    const file = (name: string) => ({ kind: "file", pending: name, final: name, sizeBytes: 1, records: 1 }) as const;
    master.submit(graph, { savesFiles: true });
    const holder = master.launchOf(graph, 0, 0).worker;
    for (const map of [0, 1]) master.succeed(master.launchOf(graph, 0, map), output(map + 1));
    master.succeed(master.launchOf(graph, 1, 0), file("early"));
    recompute(master, graph, holder, 9);
    master.finish(({ launch }) => file(`late ${launch.key.partition}`));
    const [commit] = master.commandsOf("commitOutput");
    expect(commit?.files.map(({ pending }) => pending)).toEqual(["late 0", "late 1"]);
  });

  test("a stage that starts over again and again fails its job", () => {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 1);
    let holder = halfReduced(master, graph);
    for (let round = 1; master.ended(one) === undefined; round++) {
      expect(round).toBeLessThan(10);
      // Who has just computed map 0 is the next to go, once a reducer has been told where it lies.
      holder = recompute(master, graph, holder, 100 + round);
      const map = master.launches.find(({ launch }) => launch.key.stage === graph.stages[0]?.id);
      if (map !== undefined) master.succeed(map, output(8));
    }
    expect(master.ended(one)?.error).toMatchObject({ code: "INDETERMINATE_RESULT" });
    expect(master.ended(one)?.error?.message).toMatch(/had started over 4 times already/);
  });
});
