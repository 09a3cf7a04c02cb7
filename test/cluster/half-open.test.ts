// A network that loses connections without a word: a proxy that stops passing bytes and closes nothing. Worker and driver notice
// the silence within their deadlines; the worker comes back by itself and serves the next program.

import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Running, runCli, startCli } from "../support/cli.js";
import { sessions } from "../support/engine.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";
import { type SlowProxy, startSlowProxy } from "../support/slow-proxy.js";

const scratch = scratchDirectory();
const engine = sessions();
const secretFile = join(scratch, "secret");
const env = {
  MILLRACE_LOCAL_DIR: join(scratch, "local"),
  MILLRACE_EVENT_LOG_ENABLED: "false",
  MILLRACE_SECRET: undefined,
  MILLRACE_WORKER_HEARTBEAT: "100ms",
  MILLRACE_WORKER_HEARTBEAT_TIMEOUT: "3s",
};

let master: Running;
let worker: Running;
let url = "";
let toWorker: SlowProxy;
let toDriver: SlowProxy;

beforeAll(async () => {
  writeTree(scratch, { secret: "c2VjcmV0IG9mIHRoaXMgY2x1c3Rlcg-0123456789" });
  chmodSync(secretFile, 0o600);
  mkdirSync(env.MILLRACE_LOCAL_DIR);
  master = startCli(["master", "--port", "0", "--secret-file", secretFile], env);
  url = (await master.saw(/millrace:\/\/\S+:\d+/))[0];
  const address = url.replace("millrace://", "");
  toWorker = await startSlowProxy(address, 0);
  toDriver = await startSlowProxy(address, 0);
  const flags = ["--slots", "1", "--memory", "256m", "--secret-file", secretFile];
  worker = startCli(["worker", "--master", `millrace://${toWorker.address}`, ...flags], env);
  await worker.saw(/connected to/);
});

afterAll(async () => {
  for (const running of [worker, master].filter((one) => one !== undefined)) {
    running.child.kill("SIGTERM");
    await running.ended;
  }
  await toWorker.close();
  await toDriver.close();
});

async function workers(): Promise<readonly { readonly state: string }[]> {
  const { stdout } = await runCli(["status", "--json", "--master", url, "--secret-file", secretFile], env);
  return (JSON.parse(stdout) as { readonly workers: readonly { readonly state: string }[] }).workers;
}

test("a worker whose line is lost looks for its master anew, and a driver is told that it is lost", async () => {
  const options = { secretFile, "driver.heartbeatTimeout": "4s" } as const;
  const session = await engine.open(`millrace://${toDriver.address}`, options);
  expect(await session.range(0, 4, 1, 4).count()).toBe(4);
  toWorker.freeze();
  await worker.saw(/nothing was heard of the master for 3000 ms/);
  await master.saw(/worker \S+ (\(.*\) registered[\s\S]*\) registered|is lost)/);
  const deadline = Date.now() + 30_000;
  while ((await workers()).every(({ state }) => state !== "active")) expect(Date.now()).toBeLessThan(deadline);
  expect(await session.range(0, 4, 1, 4).count()).toBe(4);
  toDriver.freeze();
  await expect(session.range(0, 4, 1, 4).count()).rejects.toMatchObject({
    code: "MASTER_LOST",
    message: expect.stringContaining("driver.heartbeatTimeout"),
  });
  const next = await engine.open(url, { secretFile });
  expect(await next.range(0, 4, 1, 4).count()).toBe(4);
});
