// A master's machine for tests: with workers, a clock that the test sets, and the launches that it has sent. Its invariants are
// checked after every event.

import { expect } from "vitest";
import { formatTaskKey, type SessionId, sessionId, type TaskKey, type WorkerId, workerId } from "../../src/core/ids.js";
import { MasterMachine } from "../../src/master/core.js";
import type { MasterCommand, MasterEvent } from "../../src/master/events.js";
import type { SessionPolicy } from "../../src/master/job-scheduler/index.js";
import { defaultMasterOptions } from "../../src/master/options.js";
import type { StageGraph } from "../../src/plan/stages.js";
import { type TaskLaunch, type TaskOutcome, type TaskResult, tasksOf } from "../../src/protocol/tasks.js";
import { inline, registration, succeeded } from "./support.js";

export const session: SessionId = sessionId("s");
/** Rows of the table of moves that this file's masters have made. */
export const seen = new Set<string>();

/** A machine with workers, a clock and the launches that it has sent. */
export class TestMaster {
  readonly machine = new MasterMachine({
    ...defaultMasterOptions,
    jobs: { ...defaultMasterOptions.jobs, onMove: (row) => seen.add(row) },
  });
  now = 0;
  launches: { readonly worker: string; readonly launch: TaskLaunch }[] = [];

  /** Names of workers of one slot each; an object is the session's policy where it is not the usual one. */
  constructor(...parts: (string | Partial<SessionPolicy>)[]) {
    const own = parts.find((part) => typeof part !== "string") ?? {};
    const policy = { ...defaultMasterOptions.jobs, localityWaitMs: 3_000, ...own };
    this.handle({ kind: "sessionOpened", session, policy });
    for (const part of parts) if (typeof part === "string") this.join(part);
  }

  join(name: string, incarnation = 1, slots = 1, node = name): MasterCommand[] {
    this.handle({ kind: "workerRegistered", registration: registration(name, incarnation, slots, node) });
    return this.handle({ kind: "heartbeat", worker: workerId(name), incarnation, running: [] });
  }

  handle(event: MasterEvent): MasterCommand[] {
    const commands = this.machine.handle(event, this.now);
    const givenBack: { readonly worker: WorkerId; readonly keys: readonly TaskKey[] }[] = [];
    expect(this.machine.validate()).toEqual([]);
    for (const command of commands) {
      if (command.kind !== "send") continue;
      if (command.message.kind === "cancel") givenBack.push({ worker: command.worker, keys: command.message.keys });
      if (command.message.kind !== "launch") continue;
      for (const launch of command.message.launches.flatMap(tasksOf))
        this.launches.push({ worker: command.worker, launch });
    }
    for (const { worker, keys } of givenBack) commands.push(...this.#giveBack(worker, keys));
    return commands;
  }

  /** A cancel reaches what no slot has taken yet. */
  #giveBack(worker: WorkerId, keys: readonly TaskKey[]): MasterCommand[] {
    const names = new Set(keys.map(formatTaskKey));
    const waiting = this.launches.filter(({ launch }) => names.has(formatTaskKey(launch.key)));
    this.launches = this.launches.filter((one) => !waiting.includes(one));
    const statuses = waiting.map(
      ({ launch }) => ({ kind: "ended", key: launch.key, outcome: { kind: "cancelled" } }) as const,
    );
    return waiting.length === 0 ? [] : this.handle({ kind: "statuses", worker, incarnation: 1, statuses });
  }

  submit(graph: StageGraph, more: { savesFiles?: boolean; maxResultBytes?: number } = {}): MasterCommand[] {
    return this.handle({
      kind: "submitted",
      session,
      graph,
      savesFiles: more.savesFiles ?? false,
      maxResultBytes: more.maxResultBytes ?? null,
    });
  }

  /** Takes the oldest launch and reports it running. */
  next(): { readonly worker: string; readonly key: TaskKey; readonly launch: TaskLaunch } {
    const { worker, launch } = this.launches.shift() as (typeof this.launches)[number];
    this.handle({
      kind: "statuses",
      worker: workerId(worker),
      incarnation: 1,
      statuses: [{ kind: "running", key: launch.key, slot: 0 }],
    });
    return { worker, key: launch.key, launch };
  }

  end(worker: string, key: TaskKey, outcome: TaskOutcome): MasterCommand[] {
    return this.handle({
      kind: "statuses",
      worker: workerId(worker),
      incarnation: 1,
      statuses: [{ kind: "ended", key, outcome }],
    });
  }

  succeed(result: TaskResult = inline()): MasterCommand[] {
    const { worker, key } = this.next();
    return this.handle({
      kind: "statuses",
      worker: workerId(worker),
      incarnation: 1,
      statuses: [succeeded(key, result)],
    });
  }
}
