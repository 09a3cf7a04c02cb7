// Tasks queued ahead on a worker whose slots turn out to be held by long, or endless, tasks: they go where there is room.

import { expect, test } from "vitest";
import { jobId, nodeId, sessionId, type TaskKey, workerId } from "../../src/core/ids.js";
import { MasterMachine } from "../../src/master/core.js";
import type { MasterCommand, MasterEvent } from "../../src/master/events.js";
import { defaultMasterOptions } from "../../src/master/options.js";
import type { TaskStatus } from "../../src/protocol/tasks.js";
import { emptyJob, registration, succeeded } from "./support.js";

const loud = sessionId("loud");
const quiet = sessionId("quiet");

test("what waits behind an endless task is called back and runs on the worker that has room", () => {
  const machine = new MasterMachine(defaultMasterOptions);
  let now = 0;
  const launched: { readonly worker: string; readonly key: TaskKey }[] = [];
  const cancelled: { readonly worker: string; readonly key: TaskKey }[] = [];
  const handle = (event: MasterEvent): MasterCommand[] => {
    const commands = machine.handle(event, now);
    expect(machine.validate()).toEqual([]);
    for (const command of commands) {
      if (command.kind !== "send") continue;
      const { worker, message } = command;
      if (message.kind === "launch") launched.push(...message.launches.map(({ key }) => ({ worker, key })));
      if (message.kind === "cancel") cancelled.push(...message.keys.map((key) => ({ worker, key })));
    }
    return commands;
  };
  const report = (worker: string, ...statuses: TaskStatus[]) =>
    handle({ kind: "statuses", worker: workerId(worker), incarnation: 1, statuses });
  const submit = (session: typeof loud, graph: ReturnType<typeof emptyJob>) =>
    handle({ kind: "submitted", session, graph, savesFiles: false, maxResultBytes: null });
  for (const name of ["a", "b"]) {
    handle({ kind: "workerRegistered", registration: registration(name) });
    handle({ kind: "heartbeat", worker: workerId(name), incarnation: 1, running: [] });
  }
  for (const session of [loud, quiet]) handle({ kind: "sessionOpened", session });

  submit(loud, emptyJob(jobId(1), nodeId(1), 1));
  const endless = launched.splice(0)[0] as (typeof launched)[number];
  report(endless.worker, { kind: "running", key: endless.key, slot: 0 });
  const free = endless.worker === "a" ? "b" : "a";

  submit(quiet, emptyJob(jobId(1), nodeId(1), 40));
  const first = launched.splice(0);
  expect(first.map(({ worker }) => worker)).toEqual([free]);
  // The first one was short: more are queued, on both workers.
  report(free, succeeded((first[0] as (typeof launched)[number]).key));
  const queued = launched.filter(({ worker }) => worker === endless.worker);
  expect(queued.length).toBeGreaterThan(0);
  expect(cancelled).toEqual([]);

  // The free worker does all that it has, and then waits.
  for (let own = launched.filter(({ worker }) => worker === free); own.length > 0; ) {
    launched.splice(0);
    report(free, ...own.map(({ key }) => succeeded(key)));
    own = launched.filter(({ worker }) => worker === free);
    queued.push(...launched.filter(({ worker }) => worker === endless.worker));
  }
  now += 1_000;
  handle({ kind: "tick" });
  expect(cancelled).toEqual(queued);
  launched.splice(0);
  report(
    endless.worker,
    ...queued.map(({ key }): TaskStatus => ({ kind: "ended", key, outcome: { kind: "cancelled" } })),
  );
  let done = 0;
  while (launched.length > 0) {
    const next = launched.splice(0);
    // Nothing more is queued behind the endless task.
    expect(next.every(({ worker }) => worker === free)).toBe(true);
    done += next.length;
    report(free, ...next.map(({ key }) => succeeded(key)));
  }
  expect(done).toBe(queued.length);
});
