// Workers that are let go, event by event: what is moved to whom, what keeps a worker, when it is told to end, and that nothing
// is charged or computed again.

import { describe, expect, test } from "vitest";
import { jobId, nodeId, sessionId, type TaskKey, workerId } from "../../src/core/ids.js";
import { MasterMachine } from "../../src/master/core.js";
import { defaultDecommissionOptions } from "../../src/master/decommission/options.js";
import { chooseReceiver } from "../../src/master/decommission/receivers.js";
import { Transfers } from "../../src/master/decommission/transfers.js";
import type { MasterCommand, MasterEvent } from "../../src/master/events.js";
import { defaultMasterOptions } from "../../src/master/options.js";
import type { LineageNode } from "../../src/plan/lineage.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import type { AdoptableBlock } from "../../src/protocol/adoption.js";
import { noMetrics, type TaskLaunch, type TaskOutcome, type TaskResult, tasksOf } from "../../src/protocol/tasks.js";
import { combined, inline, lower, mapOutput, rangeSource, registration, succeeded } from "./support.js";

const session = sessionId("s");
const refusal = { code: "DISK_FULL", message: "no room", fields: {} } as const;

/** source(2) -> reduce over 2 partitions: a map stage of two tasks, two result tasks. */
const nodes: readonly LineageNode[] = [rangeSource(1), combined(2)];

class Master {
  readonly machine = new MasterMachine(defaultMasterOptions);
  readonly table = new ShuffleTable();
  now = 0;
  launches: { readonly worker: string; readonly launch: TaskLaunch }[] = [];
  #jobs = 0;

  constructor(...workers: string[]) {
    this.handle({ kind: "sessionOpened", session });
    for (const name of workers) this.join(name);
  }

  /** `t...` is a task worker. `a2` and `a` stand on one node. */
  join(name: string, incarnation = 1): MasterCommand[] {
    const node = name.replace(/\d+$/, "");
    const role = name.startsWith("t") ? ("task" as const) : ("core" as const);
    this.handle({ kind: "workerRegistered", registration: { ...registration(name, incarnation, 1, node), role } });
    return this.handle({ kind: "heartbeat", worker: workerId(name), incarnation, running: [] });
  }

  handle(event: MasterEvent): MasterCommand[] {
    const commands = this.machine.handle(event, this.now);
    expect(this.machine.validate()).toEqual([]);
    for (const command of commands) {
      if (command.kind !== "send" || command.message.kind !== "launch") continue;
      for (const launch of command.message.launches.flatMap(tasksOf))
        this.launches.push({ worker: command.worker, launch });
    }
    return commands;
  }

  tick(ms = 250): MasterCommand[] {
    this.now += ms;
    return this.handle({ kind: "tick" });
  }

  submit(storage: Record<number, "MEMORY_ONLY"> = {}): MasterCommand[] {
    const graph = lower({ job: jobId(++this.#jobs), nodes, root: 2, sources: { 1: 2 }, storage, table: this.table });
    return this.handle({ kind: "submitted", session, graph, savesFiles: false, maxResultBytes: null });
  }

  running(worker: string, key: TaskKey): void {
    this.from(worker, { kind: "statuses", statuses: [{ kind: "running", key, slot: 0 }] });
  }

  end(worker: string, key: TaskKey, outcome: TaskOutcome): MasterCommand[] {
    return this.from(worker, { kind: "statuses", statuses: [{ kind: "ended", key, outcome }] });
  }

  /** The oldest launch succeeds. */
  succeed(result: TaskResult): MasterCommand[] {
    const { worker, launch } = this.launches.shift() as (typeof this.launches)[number];
    return this.from(worker, { kind: "statuses", statuses: [succeeded(launch.key, result)] });
  }

  /** A whole job: maps on the first workers, results after them. */
  runJob(): void {
    this.submit();
    while (this.launches.length > 0)
      this.succeed(this.launches[0]?.launch.shuffles.length === 0 ? mapOutput : inline());
  }

  decommission(worker: string, timeoutMs: number | null = 10_000): MasterCommand[] {
    return this.handle({ kind: "decommissionAsked", worker: workerId(worker), reason: "asked", timeoutMs });
  }

  adopted(by: string, from: string, block: AdoptableBlock, error: typeof refusal | null = null): MasterCommand[] {
    return this.from(by, { kind: "adopted", from: workerId(from), outcomes: [{ block, error }] });
  }

  state(worker: string): string | undefined {
    return this.machine.view.workers.find(({ id }) => id === worker)?.state.kind;
  }

  from(worker: string, event: Record<string, unknown> & { kind: MasterEvent["kind"] }): MasterCommand[] {
    return this.handle({ worker: workerId(worker), incarnation: 1, ...event } as MasterEvent);
  }
}

const kinds = (commands: readonly MasterCommand[]) =>
  commands.map((command) => (command.kind === "send" ? `${command.worker} ${command.message.kind}` : command.kind));
const adoptions = (commands: readonly MasterCommand[]) =>
  commands.flatMap((command) =>
    command.kind === "send" && command.message.kind === "adopt"
      ? command.message.blocks.map((block) => ({ to: command.worker as string, block }))
      : [],
  );
const endOf = (commands: readonly MasterCommand[]) => commands.find((command) => command.kind === "decommissionEnded");
const jobEnd = (commands: readonly MasterCommand[]) => commands.find((command) => command.kind === "jobEnded");

describe("what it holds", () => {
  test("goes to another worker, then it is told to end; the next job computes nothing again", () => {
    const master = new Master("a", "b");
    master.runJob();
    const asked = master.decommission("a");
    expect(kinds(asked)).toEqual(["decommissionStarted", "a decommission", "b adopt"]);
    const [move] = adoptions(asked);
    expect(move).toMatchObject({ to: "b", block: { kind: "mapOutput", session, map: 0, sizeBytes: 1 } });
    expect(master.machine.view.decommission(workerId("a"), 0)).toMatchObject({ blocksLeft: 1, leavesInMs: 10_000 });
    expect(kinds(master.adopted("b", "a", move?.block as AdoptableBlock))).toEqual([]);
    const told = master.tick();
    expect(kinds(told)).toEqual(["a decommissioned", "decommissionEnded"]);
    expect(endOf(told)).toMatchObject({ counts: { outputsMoved: 1, bytesMoved: 1, blocksLeft: 0 } });
    expect(kinds(master.from("a", { kind: "workerDisconnected" }))).toEqual(["b workerLost", "dropWorker"]);
    master.submit();
    // Only the result tasks, with both outputs at b.
    expect(master.launches.map(({ worker, launch }) => [worker, launch.shuffles.length])).toEqual([["b", 1]]);
    master.succeed(inline());
    expect(jobEnd(master.succeed(inline()))).toMatchObject({ error: null, summary: { failedAttempts: 0, tasks: 2 } });
  });

  test("that is refused is offered to another, and again after a while, three times in all", () => {
    const master = new Master("a", "b", "c");
    master.runJob();
    let moves = adoptions(master.decommission("a"));
    const seen: string[] = [];
    let end: MasterCommand | undefined;
    for (let round = 0; moves.length > 0 && round < 20; round++) {
      const { to, block } = moves[0] as (typeof moves)[number];
      seen.push(to);
      moves = adoptions(master.adopted(to, "a", block, refusal));
      if (moves.length > 0) continue;
      const later = master.tick(1_000);
      moves = adoptions(later);
      end ??= endOf(later);
    }
    expect(seen).toEqual(["b", "c", "b", "c", "b", "c"]);
    end ??= endOf(master.tick(1_000));
    expect(end).toMatchObject({ reason: "nobody takes its last 1 blocks", counts: { blocksLeft: 1 } });
  });

  test("whose receiver dies or loses its stream goes to another", () => {
    const master = new Master("a", "b", "c");
    master.runJob();
    expect(adoptions(master.decommission("a"))).toMatchObject([{ to: "b" }]);
    master.from("b", { kind: "workerDisconnected" });
    const again = adoptions(master.tick());
    expect(again).toMatchObject([{ to: "c" }]);
    master.from("c", { kind: "workerLost", reason: "killed" });
    expect(adoptions(master.tick())).toEqual([]);
    expect(master.state("a")).toBe("decommissioning");
    master.join("d");
    expect(adoptions(master.tick())).toMatchObject([{ to: "d" }]);
    // A receiver that was given up reports all the same: the block is there.
    master.handle({ kind: "workerRegistered", registration: registration("b") });
    master.handle({ kind: "heartbeat", worker: workerId("b"), incarnation: 1, running: [] });
    master.adopted("b", "a", again[0]?.block as AdoptableBlock);
    expect(endOf(master.tick())).toMatchObject({ counts: { outputsMoved: 1, blocksLeft: 0 } });
  });

  test("of two that leave at once goes to those who stay, each block once", () => {
    const master = new Master("a", "b", "c");
    master.runJob();
    const first = adoptions(master.decommission("a"));
    const second = adoptions(master.decommission("b"));
    // What was on its way from a to b goes to c instead.
    const moves = [...first, ...second, ...adoptions(master.tick())].filter(({ to }) => to !== "b");
    expect(moves.map(({ to }) => to)).toEqual(["c", "c"]);
    master.adopted("c", "a", moves.find(({ block }) => "map" in block && block.map === 0)?.block as AdoptableBlock);
    master.adopted("c", "b", moves.find(({ block }) => "map" in block && block.map === 1)?.block as AdoptableBlock);
    const ends = master.tick().filter((command) => command.kind === "decommissionEnded");
    expect(ends).toMatchObject([
      { worker: "a", counts: { outputsMoved: 1, blocksLeft: 0 } },
      { worker: "b", counts: { outputsMoved: 1, blocksLeft: 0 } },
    ]);
  });

  test("and nobody can take: it leaves once its attempts are done", () => {
    const master = new Master("a");
    master.runJob();
    expect(endOf(master.decommission("a"))).toMatchObject({
      reason: "there is no other worker that could take what it holds",
      counts: { blocksLeft: 2 },
    });
  });

  test("and is released meanwhile is forgotten", () => {
    const master = new Master("a", "b");
    master.runJob();
    const [move] = adoptions(master.decommission("a"));
    const { block } = move as { block: AdoptableBlock & { kind: "mapOutput" } };
    master.handle({ kind: "shufflesReleased", session, shuffles: [block.shuffle] });
    expect(kinds(master.adopted("b", "a", block))).toEqual([]);
    expect(endOf(master.tick())).toMatchObject({ counts: { outputsMoved: 0, blocksLeft: 0 } });
  });

  test("cached partitions: moved with what is known of them, unless another holder stays", () => {
    const master = new Master("a", "b");
    master.submit({ 1: "MEMORY_ONLY" });
    for (const { worker, launch } of master.launches.splice(0)) {
      const cached = [{ node: nodeId(1), partition: launch.key.partition, sizeBytes: 7 }];
      const outcome = { kind: "succeeded", result: mapOutput, accumulators: [], metrics: noMetrics, cached } as const;
      master.end(worker, launch.key, outcome);
    }
    for (const { launch } of master.launches) master.running("a", launch.key);
    const moves = adoptions(master.decommission("b"));
    expect(moves).toMatchObject([
      { to: "a", block: { kind: "mapOutput", map: 1 } },
      { to: "a", block: { kind: "cached", node: 1, partition: 1, sizeBytes: 7 } },
    ]);
    // No room: not worth a second round.
    expect(adoptions(master.adopted("a", "b", moves[1]?.block as AdoptableBlock, refusal))).toEqual([]);
    expect(master.machine.view.decommission(workerId("b"), master.now)).toMatchObject({ blocksLeft: 2 });
    expect(adoptions(master.tick(2_000))).toEqual([]);
  });
});

describe("what keeps it", () => {
  test("its own running attempts; new ones it gets none, and what it hands back goes to others uncharged", () => {
    const master = new Master("a", "b");
    master.submit();
    const mine = master.launches.find(({ worker }) => worker === "a")?.launch as TaskLaunch;
    const other = master.launches.find(({ worker }) => worker === "b")?.launch as TaskLaunch;
    master.launches = [];
    master.decommission("a");
    expect(master.tick().map(({ kind }) => kind)).toEqual([]);
    // It had not started it.
    expect(kinds(master.end("a", mine.key, { kind: "cancelled" }))).toEqual([]);
    expect(kinds(master.end("b", other.key, outcomeOf(mapOutput)))).toEqual(["b launch"]);
    expect(master.launches[0]?.launch.key).toEqual({ ...mine.key, attempt: 1 });
    expect(endOf(master.tick())).toMatchObject({ reason: "nothing of it is needed any more" });
    while (master.launches.length > 1) master.succeed(mapOutput);
    master.succeed(mapOutput);
    let last: MasterCommand[] = [];
    while (master.launches.length > 0) last = master.succeed(inline());
    expect(jobEnd(last)).toMatchObject({ error: null, summary: { failedAttempts: 0 } });
  });

  test("a large result until its driver has it", () => {
    const master = new Master("a", "b");
    master.submit();
    while (master.launches[0]?.launch.shuffles.length === 0) master.succeed(mapOutput);
    const at = (name: string) => master.launches.find(({ worker }) => worker === name)?.launch as TaskLaunch;
    const [mine, other] = [at("a"), at("b")];
    master.end("a", mine.key, outcomeOf({ kind: "block", sizeBytes: 100_000, records: 1 }));
    master.end("b", other.key, outcomeOf(inline()));
    const [move] = adoptions(master.decommission("a"));
    master.adopted("b", "a", move?.block as AdoptableBlock);
    expect(endOf(master.tick())).toBeUndefined();
    expect(master.machine.view.decommission(workerId("a"), master.now)).toMatchObject({ results: 1, blocksLeft: 0 });
    const { partition } = mine.key;
    expect(jobEnd(master.handle({ kind: "resultDelivered", session, job: jobId(1), partition }))).toBeDefined();
    expect(endOf(master.tick())).toMatchObject({ counts: { blocksLeft: 0 } });
  });

  test("attempts elsewhere that were launched with its locations; a fetch of theirs that fails drops nothing", () => {
    const master = new Master("a", "b", "c");
    master.submit();
    while (master.launches[0]?.launch.shuffles.length === 0) master.succeed(mapOutput);
    const readers = master.launches.splice(0);
    const holder = "a";
    const [move] = adoptions(master.decommission(holder));
    master.adopted(move?.to as string, holder, move?.block as AdoptableBlock);
    master.now++;
    for (const { worker, launch } of readers) {
      if (worker !== holder) continue;
      // Its own reader is handed back and runs elsewhere with the new locations.
      master.end(holder, launch.key, { kind: "cancelled" });
    }
    const reader = readers.find(({ worker }) => worker !== holder) as (typeof readers)[number];
    expect(endOf(master.tick())).toBeUndefined();
    expect(master.machine.view.decommission(workerId(holder), master.now)?.readers).toBeGreaterThan(0);
    master.launches = master.launches.filter(({ launch }) => launch.key.attempt > 0);
    const { shuffle } = reader.launch.shuffles[0] as TaskLaunch["shuffles"][number];
    const failed = master.end(reader.worker, reader.launch.key, {
      kind: "fetchFailed",
      shuffle,
      map: 0,
      worker: workerId(holder),
      error: { code: "FETCH_FAILED", message: "late", fields: {} },
    });
    expect(kinds(failed)).not.toContain("jobEnded");
    // Launched again at once, no map task among it, and with a version of locations that knows of the move.
    const again = master.launches.filter(({ launch }) => launch.key.partition === reader.launch.key.partition);
    expect(again.map(({ launch }) => launch.key.attempt)).toEqual([1]);
    expect(again[0]?.launch.shuffles[0]?.version).toBeGreaterThan(reader.launch.shuffles[0]?.version as number);
    expect(endOf(master.tick())).toMatchObject({ counts: { outputsMoved: 1, blocksLeft: 0 } });
    let last: MasterCommand[] = [];
    while (master.launches.length > 0) last = master.succeed(inline());
    expect(jobEnd(last)).toMatchObject({ error: null, summary: { failedAttempts: 0 } });
  });
});

describe("at the end of its time", () => {
  test("it is told to go; what it runs is launched elsewhere uncharged, what it holds is computed again", () => {
    const master = new Master("a", "b");
    master.runJob();
    master.submit();
    const hanging = master.launches.find(({ worker }) => worker === "a")?.launch as TaskLaunch;
    master.running("a", hanging.key);
    master.decommission("a", 1_000);
    expect(endOf(master.tick(900))).toBeUndefined();
    const told = master.tick(100);
    expect(kinds(told)).toEqual(["a decommissioned", "decommissionEnded"]);
    expect(endOf(told)).toMatchObject({ reason: "its time is over", elapsedMs: 1_000, counts: { blocksLeft: 1 } });
    master.from("a", { kind: "workerDisconnected" });
    master.launches = master.launches.filter(({ worker }) => worker === "b");
    let last: MasterCommand[] = [];
    while (master.launches.length > 0)
      last = master.succeed(master.launches[0]?.launch.shuffles.length === 0 ? mapOutput : inline());
    expect(jobEnd(last)).toMatchObject({ error: null, summary: { failedAttempts: 0 } });
  });

  test("one that does not go although it was told is given up; one whose stream is broken is lost, uncharged", () => {
    const master = new Master("a", "b");
    master.submit();
    for (const { worker, launch } of master.launches) master.running(worker, launch.key);
    master.decommission("a", 0);
    expect(master.state("a")).toBe("leaving");
    expect(kinds(master.tick(15_000))).toContain("dropWorker");
    master.decommission("b", 5_000);
    master.from("b", { kind: "workerDisconnected" });
    const lost = master.tick(5_000);
    expect(kinds(lost)).toEqual(["decommissionEnded", "dropWorker"]);
    master.launches = [];
    master.join("c");
    let last: MasterCommand[] = [];
    while (master.launches.length > 0)
      last = master.succeed(master.launches[0]?.launch.shuffles.length === 0 ? mapOutput : inline());
    expect(jobEnd(last)).toMatchObject({ error: null, summary: { failedAttempts: 0 } });
  });
});

describe("it stays on its way", () => {
  test("through a broken stream: it is told again and gets no task", () => {
    const master = new Master("a");
    master.submit();
    const { launch } = master.launches[0] as (typeof master.launches)[number];
    master.running("a", launch.key);
    master.decommission("a");
    master.from("a", { kind: "workerDisconnected" });
    master.now += 1_000;
    const back = master.handle({ kind: "workerRegistered", registration: registration("a") });
    expect(kinds(back)).toEqual(["a registered", "a decommission"]);
    expect(back[1]).toMatchObject({ message: { timeoutMs: 9_000 } });
    master.launches = [];
    expect(kinds(master.from("a", { kind: "heartbeat", running: [launch.key] }))).toEqual(["a heartbeat"]);
    expect(master.state("a")).toBe("decommissioning");
  });

  test("but not into its next incarnation", () => {
    const master = new Master("a", "b");
    master.runJob();
    master.decommission("a");
    const commands = master.handle({ kind: "workerRegistered", registration: registration("a", 2) });
    expect(endOf(commands)).toMatchObject({ reason: "it went before it was told to: it was started anew" });
    master.handle({ kind: "heartbeat", worker: workerId("a"), incarnation: 2, running: [] });
    expect(master.state("a")).toBe("active");
  });

  test("by its own word, to a master that knows nothing yet", () => {
    const master = new Master("b");
    master.handle({ kind: "workerRegistered", registration: registration("a") });
    master.from("a", { kind: "workerDecommissions", reason: "SIGTERM", timeoutMs: 500 });
    expect(master.state("a")).toBe("registering");
    master.from("a", { kind: "heartbeat", running: [] });
    expect(master.state("a")).toBe("decommissioning");
    expect(endOf(master.tick())).toMatchObject({ reason: "nothing of it is needed any more" });
  });
});

describe("the plan of transfers", () => {
  const receiver = (worker: string, role = "core", node = worker) => ({ worker: workerId(worker), role, node });
  const blocks = (count: number, sizeBytes: number): AdoptableBlock[] =>
    Array.from({ length: count }, (_, partition) => ({
      kind: "cached",
      session,
      node: nodeId(1),
      partition,
      generation: 0,
      sizeBytes,
    }));

  test("a core worker comes before a task worker, another node before the same, then who was given least", () => {
    const choose = (receivers: ReturnType<typeof receiver>[], given: Record<string, number> = {}) =>
      chooseReceiver(receivers, "n", new Set(), new Map(Object.entries(given).map(([id, n]) => [workerId(id), n])));
    expect(choose([receiver("t", "task"), receiver("c", "core", "n")])).toBe("c");
    expect(choose([receiver("c", "core", "n"), receiver("d")])).toBe("d");
    expect(choose([receiver("c"), receiver("d")], { c: 2, d: 1 })).toBe("d");
    expect(choose([])).toBeNull();
  });

  test("bytes are spread evenly and bounded on their way; a block above the bound travels alone", () => {
    const options = { ...defaultDecommissionOptions, maxBytesInFlight: 100, maxBlocksInFlight: 8 };
    const transfers = new Transfers(options, "n");
    transfers.look(blocks(10, 25));
    const asked = transfers.assign([receiver("b"), receiver("c")], 0);
    expect([...asked].map(([to, list]) => [to, list.length])).toEqual([
      ["b", 2],
      ["c", 2],
    ]);
    expect(transfers.assign([receiver("b"), receiver("c")], 0).size).toBe(0);
    transfers.moved((asked.get(workerId("b")) as AdoptableBlock[])[0] as AdoptableBlock);
    expect([...transfers.assign([receiver("b"), receiver("c")], 0).values()].flat()).toHaveLength(1);
    const large = new Transfers(options, "n");
    large.look(blocks(2, 1_000));
    expect([...large.assign([receiver("b")], 0).values()].flat()).toHaveLength(1);
    expect([...transfers.validate(), ...large.validate()]).toEqual([]);
  });
});

function outcomeOf(result: TaskResult): TaskOutcome {
  return { kind: "succeeded", result, accumulators: [], metrics: noMetrics, cached: [] };
}
