// What the loss of a worker costs: exactly what it held, however many readers miss it and through however many shuffles; and
// what it brings back when it is started again.

import { describe, expect, test } from "vitest";
import { jobId, type SessionId, workerId } from "../../src/core/ids.js";
import type { OfferedOutput } from "../../src/protocol/worker.js";
import { chainOf, DrivenMaster, type Launched, output } from "./driven-master.js";
import { inline, lower } from "./support.js";

const one = jobId(1);

const chain = (shuffles: number, partitions: number) =>
  lower({ job: one, nodes: chainOf(shuffles, partitions), root: shuffles + 1, sources: { 1: partitions } });

const error = { code: "FETCH_FAILED", message: "gone", fields: {} } as const;

describe("fetch failures", () => {
  test("of a hundred reducers about one loss: one drop, one recompute, one stop of the stage", () => {
    const master = new DrivenMaster();
    master.join("a", 1, 1);
    master.join("b", 1, 200);
    const graph = chain(1, 100);
    master.submit(graph);
    const byA = new Set<number>();
    while (master.launches.some(({ launch }) => launch.key.stage === graph.stages[0]?.id)) {
      const next = master.launches.find(({ launch }) => launch.key.stage === graph.stages[0]?.id) as Launched;
      if (next.worker === "a") byA.add(next.launch.key.partition);
      master.succeed(next, output(next.launch.key.partition + 1));
    }
    const readers = master.launches.filter(({ worker }) => worker === "b");
    expect(readers.length).toBeGreaterThan(50);
    const shuffle = graph.stages[1]?.shuffleInputs[0] as Exclude<
      Launched["launch"]["shuffles"][0],
      undefined
    >["shuffle"];
    master.handle({ kind: "workerDisconnected", ...master.from("a") });
    const recomputed: number[] = [];
    const maps = [...byA];
    for (const [at, reader] of readers.entries()) {
      const map = maps[at % maps.length] as number;
      master.end(reader, { kind: "fetchFailed", shuffle, map, worker: workerId("a"), error });
      for (const { launch } of master.launches.filter((x) => x.launch.key.stage === graph.stages[0]?.id)) {
        recomputed.push(launch.key.partition);
        master.succeed(master.launches.find((x) => x.launch === launch) as Launched, output(launch.key.partition + 1));
      }
    }
    expect(recomputed.sort((a, b) => a - b)).toEqual(maps.sort((a, b) => a - b));
    expect(master.ended(one)).toBeUndefined();
    master.finish(() => inline());
    expect(master.ended(one)).toMatchObject({ error: null, summary: { failedAttempts: 0 } });
  });

  test("of attempts from before the output was made again do not drop the new one on the same worker", () => {
    const master = new DrivenMaster();
    master.join("a", 1, 4);
    const graph = chain(1, 2);
    master.submit(graph);
    for (const map of [0, 1]) master.succeed(master.launchOf(graph, 0, map), output(map + 1));
    const [early, late] = [master.launchOf(graph, 1, 0), master.launchOf(graph, 1, 1)];
    const shuffle = early.launch.shuffles[0]?.shuffle as (typeof early.launch.shuffles)[0]["shuffle"];
    const missed = { kind: "fetchFailed", shuffle, map: 0, worker: workerId("a"), error } as const;
    master.end(early, missed);
    master.succeed(master.launchOf(graph, 0, 0), output(1));
    master.end(late, missed);
    expect(master.launches.some(({ launch }) => launch.key.stage === graph.stages[0]?.id)).toBe(false);
    master.finish(() => inline());
    expect(master.ended(one)).toMatchObject({ error: null });
  });
});

test("a lost worker costs exactly what it held of four shuffles", () => {
  const master = new DrivenMaster("a", "b");
  const graph = chain(4, 4);
  master.submit(graph);
  const held: string[] = [];
  const name = (stage: number, partition: number) => `${graph.stages.findIndex(({ id }) => id === stage)}/${partition}`;
  while (!master.launches.every(({ launch }) => launch.key.stage === graph.stages[4]?.id)) {
    const next = master.launches.find(({ launch }) => launch.key.stage !== graph.stages[4]?.id) as Launched;
    const { stage, partition } = next.launch.key;
    if (next.worker === "a") held.push(name(stage, partition));
    master.succeed(next, output(stage * 10 + partition + 1));
  }
  master.lose("a");
  const again: string[] = [];
  master.finish(({ launch: { key } }) => {
    if (key.stage === graph.stages[4]?.id) return inline();
    again.push(name(key.stage, key.partition));
    return output(key.stage * 10 + key.partition + 1);
  });
  // From the last shuffle up: of each stage whose output is needed, what went with the worker, and nothing twice.
  expect(again.sort()).toEqual(held.sort());
  expect(master.commandsOf("restartResults")).toEqual([]);
  expect(master.ended(one)).toMatchObject({ error: null });
});

describe("a worker that is started again on its directory", () => {
  const offerOf = (session: SessionId, { launch: { key } }: Launched, shuffle: number): OfferedOutput => ({
    session,
    shuffle: shuffle as OfferedOutput["shuffle"],
    map: key.partition,
    stage: key.stage,
    attempt: key.attempt,
  });

  function mapped() {
    const master = new DrivenMaster("a", "b");
    const graph = chain(1, 2);
    const shuffle = graph.stages[0]?.shuffleOutput as number;
    master.submit(graph);
    const maps = [0, 1].map((map) => master.launchOf(graph, 0, map));
    for (const [map, launched] of maps.entries()) master.succeed(launched, output(map + 1));
    const mine = maps.find(({ worker }) => worker === "a") as Launched;
    return { master, graph, offer: offerOf(master.session, mine, shuffle) };
  }

  test("keeps what it offers before its first heartbeat, under its new address", () => {
    const { master, graph, offer } = mapped();
    master.launches = master.launches.filter(({ worker }) => worker !== "a");
    master.look();
    master.register("a", 2);
    master.handle({ kind: "offered", ...master.from("a"), outputs: [offer] });
    expect(master.launches.every(({ launch }) => launch.key.stage === graph.stages[1]?.id)).toBe(true);
    master.beat("a");
    expect(master.sent("discard")).toEqual([]);
    expect(master.sent("mapOutputs").length).toBeGreaterThan(0);
    master.finish(() => inline());
    expect(master.ended(one)).toMatchObject({ error: null, summary: { tasks: 4 } });
  });

  test("loses what it does not offer, and is told to delete what nobody wants", () => {
    const { master, graph, offer } = mapped();
    master.launches = master.launches.filter(({ worker }) => worker !== "a");
    master.look();
    master.register("a", 2);
    const stray = { ...offer, attempt: 7 };
    master.handle({ kind: "offered", ...master.from("a"), outputs: [stray] });
    master.beat("a");
    const { session, shuffle, ...output } = stray;
    expect(master.sent("discard")).toEqual([{ kind: "discard", session, shuffle, outputs: [output] }]);
    expect(master.launchOf(graph, 0, offer.map)).toBeDefined();
  });

  test("takes back what was given up already, and its recomputation is cancelled", () => {
    const { master, graph, offer } = mapped();
    master.lose("a");
    master.join("c");
    expect(master.launchOf(graph, 0, offer.map).worker).toBe("c");
    master.look();
    master.register("a", 2);
    master.handle({ kind: "offered", ...master.from("a"), outputs: [offer] });
    master.beat("a");
    expect(master.sent("cancel").flatMap(({ keys }) => keys)).toMatchObject([{ partition: offer.map, attempt: 1 }]);
    master.finish(() => inline());
    expect(master.ended(one)).toMatchObject({ error: null, summary: { tasks: 4 } });
  });

  test("is told to delete what was computed again meanwhile", () => {
    const { master, graph, offer } = mapped();
    master.lose("a");
    master.join("c");
    master.succeed(master.launchOf(graph, 0, offer.map), output(offer.map + 1));
    master.look();
    master.register("a", 2);
    master.handle({ kind: "offered", ...master.from("a"), outputs: [offer] });
    master.beat("a");
    const { session, shuffle, ...name } = offer;
    expect(master.sent("discard")).toEqual([{ kind: "discard", session, shuffle, outputs: [name] }]);
  });
});
