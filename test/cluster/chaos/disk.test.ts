// Disks that are full, for a moment or for good, where map outputs are written and where tasks spill: the task runs again, or
// the job says which file could not be written.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ChaosCluster, type Run } from "./harness.js";
import { shuffleJob } from "./jobs.js";
import { settings } from "./settings.js";

const full = { action: "enospc", where: { kind: "shuffle" } } as const;
const wasFull = ({ lost, errors }: Run) => {
  expect(lost).toBeGreaterThan(0);
  expect(errors).toContainEqual(expect.objectContaining({ code: "DISK_FULL" }));
};

describe.each(settings)("$name", (setting) => {
  // A worker on which two tasks failed would be kept out for a while, and every slot is to serve in the end.
  const options = { ...setting.options, "exclude.enabled": false };
  const cluster = new ChaosCluster({ ...setting, options });
  beforeAll(() => cluster.session().then(() => undefined));
  afterEach(({ task }) => (task.result?.state === "fail" ? cluster.renew() : undefined));
  afterAll(() => cluster.close());

  const points = [
    { point: "disk.write", what: "a map output is written" },
    ...(setting.spills ? [{ point: "spill.write", what: "a task spills" }] : []),
  ];

  test.each(points)("full while $what: another attempt does it", async ({ point, what }) => {
    await cluster.strike({
      fault: `the disk is full while ${what}`,
      point,
      token: full,
      job: shuffleJob,
      check: wasFull,
    });
  });

  test("full whatever is tried: the job names the file, the next one ends well", async () => {
    const session = await cluster.session();
    const calm = await shuffleJob(session);
    const faults = Array.from({ length: 200 }, () => cluster.budget.arm("disk.write", full));
    const failed = await shuffleJob(session).catch((error: Error & { code?: string }) => error);
    if (!(failed instanceof Error)) return expect.fail("the job ended well on disks that are full");
    const cause = failed.cause as Error & { code?: string };
    expect([failed.code, cause.code]).toEqual(["JOB_FAILED", "DISK_FULL"]);
    for (const { message } of [failed, cause]) expect(message).toContain(cluster.directory);
    cluster.budget.disarm();
    expect(faults.filter(({ fired }) => fired !== null).length).toBeGreaterThanOrEqual(4);
    expect(await shuffleJob(session)).toBe(calm);
    await cluster.serves();
  });
});
