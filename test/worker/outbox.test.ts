// What a worker has for a master that does not read, or is not there: statuses wait, printed lines are counted.

import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { jobId, sessionId, stageId, type TaskKey } from "../../src/core/ids.js";
import type { TaskStatus } from "../../src/protocol/tasks.js";
import type { TaskLogLine, WorkerToMaster } from "../../src/protocol/worker.js";
import { Outbox } from "../../src/worker/outbox.js";

const MIB = 1024 * 1024;
const key = (session: string, partition = 0): TaskKey => ({
  session: sessionId(session),
  job: jobId(1),
  stage: stageId(1),
  partition,
  attempt: 0,
});
const line = (session: string, text: string): TaskLogLine => ({ key: key(session), stream: "stdout", text });
const running = (partition: number): TaskStatus => ({ kind: "running", key: key("s", partition), slot: 0 });

function outbox() {
  const made = { sent: [] as WorkerToMaster[], unread: 0 as number | null };
  const box = new Outbox({ send: (message) => made.sent.push(message), unreadBytes: () => made.unread });
  return Object.assign(made, { box });
}

test("statuses of one turn go together, after the lines that were written before them", async () => {
  const { box, sent } = outbox();
  box.log(line("s", "hello"));
  box.report([running(1)]);
  box.report([running(2)]);
  await turn();
  expect(sent).toEqual([
    { kind: "logs", lines: [line("s", "hello")] },
    { kind: "statuses", statuses: [running(1), running(2)] },
  ]);
});

test.each([5 * MIB, null])("lines are counted while %s bytes wait for the master, and told once it reads", (unread) => {
  const made = outbox();
  made.unread = unread;
  for (let at = 0; at < 10_000; at++) {
    made.box.log(line("s", `${at}`));
    if (at % 100 === 0) made.box.flush();
  }
  made.box.log({ ...line("other", ""), dropped: 7 });
  made.box.log(line("gone", "nobody reads this"));
  made.box.flush();
  expect(made.sent).toEqual([]);
  made.box.forget(sessionId("gone"));
  made.unread = 1 * MIB;
  made.box.log(line("s", "heard again"));
  made.box.flush();
  const dropped = (session: string, count: number) => ({
    key: key(session),
    stream: "stderr",
    text: "",
    dropped: count,
  });
  expect(made.sent).toEqual([
    { kind: "logs", lines: [dropped("s", 10_000), dropped("other", 7), line("s", "heard again")] },
  ]);
  made.box.close();
});

test("statuses go whatever waits", () => {
  const made = outbox();
  made.unread = 50 * MIB;
  made.box.report([running(1)]);
  made.box.flush();
  expect(made.sent).toEqual([{ kind: "statuses", statuses: [running(1)] }]);
});
