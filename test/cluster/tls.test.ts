// A cluster by hand whose connections are all encrypted: a shuffle between two workers, status, and a driver without.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type Running, runCli, startCli } from "../support/cli.js";
import { scratchDirectory } from "../support/scratch.js";

const scratch = scratchDirectory();
const tls = join(scratch, "tls");
const env = { MILLRACE_SECRET: "a secret of this test's own", MILLRACE_EVENT_LOG_ENABLED: "false" };
const running: Running[] = [];
afterAll(async () => {
  for (const { child } of running) child.kill("SIGKILL");
  await Promise.all(running.map(({ ended }) => ended));
});

function start(args: readonly string[], more: NodeJS.ProcessEnv = {}): Running {
  const one = startCli(args, { ...env, ...more });
  running.push(one);
  return one;
}

test("works as one that is not, and turns away who has no certificate", async () => {
  expect(await runCli(["certs", "--out", tls])).toMatchObject({ code: 0, stderr: "" });
  const [url] = await start(["master", "--port", "0", "--tls", tls]).saw(/millrace:\/\/\S+/);
  const worker = ["worker", "--master", url, "--slots", "1", "--memory", "512m", "--local-dir", scratch];
  // By flag and by environment; and no reading of a neighbour's files.
  const workers = [start([...worker, "--tls", tls]), start(worker, { MILLRACE_TLS: tls })];
  for (const one of workers) await one.saw(/connected to/);
  const program = join(scratch, "sums.ts");
  writeFileSync(
    program,
    `import { Session } from "millrace";
const session = await Session.open({ "shuffle.localReads": false });
const sums = await session.range(0, 100_000, 1, 8).map((n) => [n % 10, n] as const).reduceByKey((a, b) => a + b, 4).collect();
console.log(JSON.stringify(sums.sort(([a], [b]) => a - b)));
console.log(session.lastJob?.workers.length);
await session.stop();
`,
  );
  const sums = Array.from({ length: 10 }, (_, key) => [key, 499_950_000 + key * 10_000]);
  const ran = await runCli(["submit", "--master", url, "--tls", tls, program], env);
  expect(ran).toMatchObject({ code: 0 });
  const [answer, places] = ran.stdout.trim().split("\n");
  expect(JSON.parse(answer as string)).toEqual(sums);
  expect(places).toBe("2");
  const status = await runCli(["status", "--master", url, "--tls", tls, "--json"], env);
  expect(JSON.parse(status.stdout).workers).toHaveLength(2);
  const refused = await runCli(["submit", "--master", url, program], env);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("NOT_A_MASTER");
  expect(refused.stderr).toContain("--tls");
});
