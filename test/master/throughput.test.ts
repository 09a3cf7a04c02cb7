import { expect, test } from "vitest";
import type { TaskKey } from "../../src/core/ids.js";
import { jobId, nodeId, sessionId, workerId } from "../../src/core/ids.js";
import { MasterMachine } from "../../src/master/core.js";
import { emptyJob, type JobCommandOf, registration, succeeded } from "./support.js";

// Prints the core's own cost of a task; asserts only that every task ran once.
test("100,000 tasks go through the core", () => {
  const machine = new MasterMachine();
  const session = sessionId("s");
  machine.handle({ kind: "sessionOpened", session }, 0);
  for (const name of ["a", "b"]) {
    machine.handle({ kind: "workerRegistered", registration: registration(name, 1, 4) }, 0);
    machine.handle({ kind: "heartbeat", worker: workerId(name), incarnation: 1, running: [] }, 0);
  }
  const graph = emptyJob(jobId(1), nodeId(1), 100_000);
  const started = performance.now();
  let delivered = 0;
  let ended: JobCommandOf<"jobEnded"> | null = null;
  let commands = machine.handle({ kind: "submitted", session, graph, savesFiles: false, maxResultBytes: null }, 0);
  for (let now = 1; ended === null && commands.length > 0; now++) {
    const launched = new Map<string, TaskKey[]>();
    for (const command of commands) {
      if (command.kind === "deliver") delivered++;
      if (command.kind === "jobEnded") ended = command;
      if (command.kind === "send" && command.message.kind === "launch") {
        const keys = launched.get(command.worker) ?? [];
        keys.push(...command.message.launches.map((launch) => launch.key));
        launched.set(command.worker, keys);
      }
    }
    commands = [...launched].flatMap(([worker, keys]) =>
      machine.handle(
        { kind: "statuses", worker: workerId(worker), incarnation: 1, statuses: keys.map((key) => succeeded(key)) },
        now,
      ),
    );
  }
  const ms = performance.now() - started;
  console.log(`100,000 tasks in ${Math.round(ms)} ms: ${(ms / 100).toFixed(1)} us a task`);
  expect(ended?.error).toBeNull();
  expect(ended?.summary.tasks).toBe(100_000);
  expect(delivered).toBe(100_000);
  expect(machine.validate()).toEqual([]);
});
