// A worker that is short of disk gets no tasks until it has room; when all are, jobs end with the reason instead of waiting.
// And what stale attempts have left on workers is discarded.

import { expect, test } from "vitest";
import { jobId, sessionId, shuffleId, type TaskKey, workerId } from "../../src/core/ids.js";
import { MasterMachine } from "../../src/master/core.js";
import type { MasterCommand, MasterEvent } from "../../src/master/events.js";
import { defaultMasterOptions } from "../../src/master/options.js";
import { leastFree } from "../../src/worker/disk-watch.js";
import { emptyJob, mapOutput, registration, succeeded } from "./support.js";

const session = sessionId("s");

function start(...workers: string[]) {
  const machine = new MasterMachine(defaultMasterOptions);
  const launched: [string, TaskKey][] = [];
  const handle = (event: MasterEvent, now = 0): MasterCommand[] => {
    const commands = machine.handle(event, now);
    expect(machine.validate()).toEqual([]);
    for (const command of commands)
      if (command.kind === "send" && command.message.kind === "launch")
        for (const { key } of command.message.launches) launched.push([command.worker, key]);
    return commands;
  };
  const beat = (name: string, diskShort = false, now = 0) =>
    handle(
      {
        kind: "heartbeat",
        worker: workerId(name),
        incarnation: 1,
        running: launched.filter(([w]) => w === name).map(([, key]) => key),
        diskShort,
      },
      now,
    );
  handle({ kind: "sessionOpened", session });
  for (const name of workers) {
    handle({ kind: "workerRegistered", registration: registration(name) });
    beat(name);
  }
  const submit = (partitions: number) =>
    handle({
      kind: "submitted",
      session,
      graph: emptyJob(jobId(1), 1 as never, partitions),
      savesFiles: false,
      maxResultBytes: null,
    });
  return { handle, beat, submit, launched };
}

test("a worker short of disk gets no tasks until it has room again", () => {
  const { beat, submit, launched } = start("a", "b");
  beat("a", true);
  submit(2);
  expect(launched.map(([worker]) => worker)).toEqual(["b"]);
  beat("a", false);
  expect(launched.map(([worker]) => worker)).toEqual(["b", "a"]);
});

test("when every worker is short for scheduler.workerTimeout the job ends with DISK_FULL that names them", () => {
  const { handle, beat, submit, launched } = start("a", "b");
  for (const name of ["a", "b"]) beat(name, true);
  submit(2);
  expect(launched).toEqual([]);
  let ended: MasterCommand[] = [];
  for (let now = 0; now <= 61_000; now += 1_000) {
    for (const name of ["a", "b"]) beat(name, true, now);
    ended.push(...handle({ kind: "tick" }, now).filter(({ kind }) => kind === "jobEnded"));
  }
  expect(ended).toMatchObject([{ error: { code: "DISK_FULL", fields: { workers: ["a", "b"] } } }]);
  ended = [];
});

test("the output of an attempt whose job has ended is discarded on its worker", () => {
  const { handle, submit, launched } = start("a");
  submit(1);
  const key = launched[0]![1];
  handle({ kind: "jobCancelled", session, job: jobId(1), reason: "enough" });
  const report = {
    kind: "statuses",
    worker: workerId("a"),
    incarnation: 1,
    statuses: [succeeded(key, mapOutput)],
  } as const;
  expect(handle(report)).toEqual([
    {
      kind: "send",
      worker: "a",
      message: {
        kind: "discard",
        session,
        shuffle: shuffleId(0),
        outputs: [{ map: 0, stage: key.stage, attempt: key.attempt }],
      },
    },
  ]);
});

test("a small disk is not short from the start", () => {
  expect(leastFree(256e6, 500e9)).toBe(256e6);
  expect(leastFree(256e6, 4e6)).toBe(4e5);
  expect(leastFree(0, 4e6)).toBe(0);
});
