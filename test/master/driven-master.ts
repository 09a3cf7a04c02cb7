// The master's machine driven by hand in tests of recovery: workers by name, launches that wait to be ended, every event
// followed by a check of the invariants.

import { expect } from "vitest";
import {
  type JobId,
  nodeId,
  type SessionId,
  sessionId,
  shuffleId,
  type TaskKey,
  workerId,
} from "../../src/core/ids.js";
import { MasterMachine } from "../../src/master/core.js";
import type { MasterCommand, MasterEvent } from "../../src/master/events.js";
import { defaultMasterOptions } from "../../src/master/options.js";
import type { LineageNode } from "../../src/plan/lineage.js";
import type { StageGraph } from "../../src/plan/stages.js";
import {
  type CachedNow,
  noMetrics,
  type TaskLaunch,
  type TaskOutcome,
  type TaskResult,
  tasksOf,
} from "../../src/protocol/tasks.js";
import type { MasterToWorker } from "../../src/protocol/worker.js";
import { type JobCommandOf, rangeSource, registration, site } from "./support.js";

export interface Launched {
  readonly worker: string;
  readonly launch: TaskLaunch;
}

export class DrivenMaster {
  readonly session: SessionId = sessionId("s");
  /** Tasks that die with their workers are not what these tests are about. */
  readonly machine = new MasterMachine({
    ...defaultMasterOptions,
    jobs: { ...defaultMasterOptions.jobs, maxTaskFailures: 100 },
  });
  readonly incarnations = new Map<string, number>();
  now = 0;
  launches: Launched[] = [];
  /** Everything that left since the last look. */
  commands: MasterCommand[] = [];

  constructor(...workers: string[]) {
    this.handle({ kind: "sessionOpened", session: this.session });
    for (const name of workers) this.join(name);
  }

  join(name: string, incarnation = 1, slots = 1): void {
    this.register(name, incarnation, slots);
    this.beat(name);
  }

  register(name: string, incarnation = 1, slots = 1): void {
    this.incarnations.set(name, incarnation);
    this.handle({ kind: "workerRegistered", registration: registration(name, incarnation, slots) });
  }

  beat(name: string, running: readonly TaskKey[] = []): void {
    this.handle({ kind: "heartbeat", ...this.from(name), running });
  }

  lose(name: string): void {
    this.handle({ kind: "workerLost", ...this.from(name), reason: "killed" });
    this.launches = this.launches.filter(({ worker }) => worker !== name);
  }

  from(name: string) {
    return { worker: workerId(name), incarnation: this.incarnations.get(name) ?? 1 };
  }

  handle(event: MasterEvent): MasterCommand[] {
    const commands = this.machine.handle(event, this.now);
    expect(this.machine.validate()).toEqual([]);
    for (const command of commands) {
      this.commands.push(command);
      if (command.kind !== "send") continue;
      if (command.message.kind === "launch")
        for (const launch of command.message.launches.flatMap(tasksOf))
          this.launches.push({ worker: command.worker, launch });
      if (command.message.kind === "cancel") this.#drop(command.worker, command.message.keys);
    }
    return commands;
  }

  submit(graph: StageGraph, more: { savesFiles?: boolean; streamed?: boolean } = {}): void {
    this.handle({ kind: "submitted", session: this.session, graph, savesFiles: false, maxResultBytes: null, ...more });
  }

  end({ worker, launch }: Launched, outcome: TaskOutcome): MasterCommand[] {
    this.launches = this.launches.filter((one) => one.launch !== launch);
    const statuses = [
      { kind: "running", key: launch.key, slot: 0 },
      { kind: "ended", key: launch.key, outcome },
    ] as const;
    return this.handle({ kind: "statuses", ...this.from(worker), statuses });
  }

  succeed(launched: Launched, result: TaskResult, cached: readonly CachedNow[] = []): MasterCommand[] {
    return this.end(launched, { kind: "succeeded", result, accumulators: [], metrics: noMetrics, cached });
  }

  /** The launch of this partition that waits, of the job's `stage`-th stage in its graph. */
  launchOf(graph: StageGraph, stage: number, partition: number): Launched {
    const id = graph.stages.at(stage)?.id;
    const found = this.launches.find(({ launch: { key } }) => key.stage === id && key.partition === partition);
    if (found === undefined)
      throw new Error(
        `no launch of ${id}/${partition}: ${this.launches.map(({ launch }) => Object.values(launch.key))}`,
      );
    return found;
  }

  /** Ends every launch there is, of earlier stages first, and what follows of it, until nothing is launched any more. */
  finish(resultOf: (launched: Launched) => TaskResult): void {
    const first = () => [...this.launches].sort((a, b) => a.launch.key.stage - b.launch.key.stage)[0];
    for (let next = first(); next !== undefined; next = first()) this.succeed(next, resultOf(next));
  }

  /** Commands of one kind since the last `look`. */
  commandsOf<K extends MasterCommand["kind"]>(kind: K): JobCommandOf<K>[] {
    return this.commands.filter((command): command is JobCommandOf<K> => command.kind === kind);
  }

  sent<K extends MasterToWorker["kind"]>(kind: K): (MasterToWorker & { readonly kind: K })[] {
    return this.commandsOf("send").flatMap(({ message }) =>
      message.kind === kind ? [message as MasterToWorker & { readonly kind: K }] : [],
    );
  }

  look(): void {
    this.commands = [];
  }

  ended(job: JobId): JobCommandOf<"jobEnded"> | undefined {
    return this.commandsOf("jobEnded").find((command) => command.job === job);
  }

  #drop(worker: string, keys: readonly TaskKey[]): void {
    const names = new Set(keys.map((key) => Object.values(key).join("/")));
    const left = this.launches.filter(
      (one) => one.worker === worker && names.has(Object.values(one.launch.key).join("/")),
    );
    for (const one of left) this.end(one, { kind: "cancelled" });
  }
}

/** A map output whose records have this checksum. */
export const output = (checksum: number, partitions = 2): TaskResult => ({
  kind: "mapOutput",
  shuffle: shuffleId(1),
  output: { sizes: new Array(partitions).fill(1), records: partitions, checksum: String(checksum) },
});

/** A source of `parents[0]`... combined again and again: node 1 is the source, node n + 1 reduces node n. */
export function chainOf(shuffles: number, partitions = 2): LineageNode[] {
  const nodes: LineageNode[] = [rangeSource(1)];
  for (let n = 2; n <= shuffles + 1; n++) {
    nodes.push({
      id: nodeId(n),
      callSite: { ...site, line: n, method: "repartition" },
      kind: "exchange",
      parent: nodeId(n - 1),
      partitioner: { kind: "roundRobin", partitions },
      sort: null,
      pairs: false,
    });
  }
  return nodes;
}
