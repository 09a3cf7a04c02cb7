// A session's output files: commit and abort of a job happen one after the other, and an aborted job leaves nothing. And the
// lineage that a checkpoint cuts.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { MillraceError } from "../../src/core/errors.js";
import { jobId, nodeId, sessionId } from "../../src/core/ids.js";
import type { MasterEvent } from "../../src/master/events.js";
import { SessionHost } from "../../src/master/session-host.js";
import type { LineageNode } from "../../src/plan/lineage.js";
import type { StageGraph } from "../../src/plan/stages.js";
import { combined, rangeSource, site } from "./support.js";

const scratch = mkdtempSync(join(tmpdir(), "millrace-host-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function preparedHost(name: string) {
  const warnings: string[] = [];
  const directory = join(scratch, name);
  const url = pathToFileURL(directory).href;
  const events: MasterEvent[] = [];
  let host!: SessionHost;
  const settings = { appName: "t", options: {}, workingDirectory: scratch, version: "0" };
  await new Promise<void>((resolve, reject) => {
    host = new SessionHost(sessionId("s"), settings, {
      handle: (event) => {
        events.push(event);
        if (event.kind === "submitted") resolve();
      },
      putBlob: () => undefined,
      dropBlobs: () => undefined,
      warn: (message) => warnings.push(message),
      refused: (_job, error) => reject(new Error(error.message)),
      prepared: () => undefined,
      cached: () => 0,
    });
    host.submit({
      kind: "submit",
      job: jobId(1),
      nodes: [rangeSource(1)],
      root: nodeId(1),
      action: { kind: "saveAsTextFile", url, compression: "none" },
      callSite: site,
      accumulators: [],
    });
  });
  const pendingDirectory = join(directory, "_temporary", "s-1", "1-0-0");
  mkdirSync(pendingDirectory);
  writeFileSync(join(pendingDirectory, "part-00000"), "line\n");
  const files = [{ pending: `${url}/_temporary/s-1/1-0-0/part-00000`, final: `${url}/part-00000` }];
  return { host, directory, files, events, warnings };
}

test("a commit makes the files visible; forgetting the job leaves them", async () => {
  const { host, directory, files, events } = await preparedHost("committed");
  expect(events).toMatchObject([{ kind: "submitted", savesFiles: true }]);
  expect(await host.commit(jobId(1), files)).toBeNull();
  host.forget(jobId(1));
  await host.close();
  expect(readdirSync(directory).sort()).toEqual(["_SUCCESS", "part-00000"]);
});

test("an abort during the commit waits for it and then removes the output", async () => {
  const { host, directory, files, warnings } = await preparedHost("aborted");
  const committing = host.commit(jobId(1), files);
  const aborting = host.abort(jobId(1));
  expect(await committing).toBeNull();
  await aborting;
  expect(existsSync(directory)).toBe(false);
  expect(warnings).toEqual([]);
});

test("closing the session waits for a commit under way and removes what was not acknowledged", async () => {
  const { host, directory, files } = await preparedHost("closed");
  const committing = host.commit(jobId(1), files);
  await host.close();
  expect(await committing).toBeNull();
  expect(existsSync(directory)).toBe(false);
});

test("a failed commit gives its error and leaves nothing", async () => {
  const { host, directory, files } = await preparedHost("failed");
  const missing = files.map(({ pending, final }) => ({ pending: pending.replace("1-0-0", "1-0-1"), final }));
  expect(await host.commit(jobId(1), missing)).toMatchObject({ code: expect.any(String) });
  expect(existsSync(directory)).toBe(false);
});

describe("a lineage that is cut", () => {
  const sums = combined(2);
  const openHost = (cached: number) => {
    const events: MasterEvent[] = [];
    const settings = { appName: "t", options: {}, workingDirectory: scratch, version: "0" };
    const host = new SessionHost(sessionId("s"), settings, {
      handle: (event) => events.push(event),
      putBlob: () => undefined,
      dropBlobs: () => undefined,
      warn: () => undefined,
      refused: (_job, error) => events.push({ kind: "refused", ...error } as never),
      prepared: () => undefined,
      cached: () => cached,
    });
    let jobs = 0;
    const submit = async (nodes: readonly LineageNode[]) => {
      const action = { kind: "count" } as const;
      const job = jobId(++jobs);
      host.submit({ kind: "submit", job, nodes, root: nodeId(2), action, callSite: site, accumulators: [] });
      await host.countPartitions([], nodeId(2));
      const [submitted] = events.splice(0) as (MasterEvent & { kind: "submitted" })[];
      return { job, graph: submitted?.graph as StageGraph };
    };
    return { host, events, submit };
  };

  test("is one stage from then on; its shuffle stays while a job that began before may need it", async () => {
    const { host, events, submit } = openHost(2);
    const before = await submit([rangeSource(1), sums]);
    expect(before.graph.stages.map(({ kind }) => kind)).toEqual(["shuffleMap", "result"]);
    expect(await host.cutLineage(nodeId(2), null)).toBe(2);
    expect(events).toEqual([]);
    const after = await submit([]);
    expect(after.graph.stages.map(({ kind, tasks }) => `${kind} ${tasks.length}`)).toEqual(["result 2"]);
    host.forget(before.job);
    expect(events).toEqual([{ kind: "shufflesReleased", session: "s", shuffles: [1] }]);
  });

  test("is not cut where a block is missing", async () => {
    const { host, submit } = openHost(1);
    await submit([rangeSource(1), sums]);
    await expect(host.cutLineage(nodeId(2), null)).rejects.toMatchObject({
      code: "CACHE_FULL",
      fields: { cached: 1, partitions: 2 },
    });
    expect((await submit([])).graph.stages).toHaveLength(2);
  });
});

test("a job that is killed while it is prepared is refused with that error, once, and never runs", async () => {
  const events: MasterEvent[] = [];
  const refused: unknown[] = [];
  const settings = { appName: "t", options: {}, workingDirectory: scratch, version: "0" };
  const host = new SessionHost(sessionId("s"), settings, {
    handle: (event) => events.push(event),
    putBlob: () => undefined,
    dropBlobs: () => undefined,
    warn: () => undefined,
    refused: (job, error) => refused.push({ job, code: error.code, message: error.message }),
    prepared: () => undefined,
    cached: () => 0,
  });
  const directory = join(scratch, "killed");
  const submission = {
    kind: "submit",
    nodes: [rangeSource(1)],
    root: nodeId(1),
    callSite: site,
    accumulators: [],
  } as const;
  host.submit({
    ...submission,
    job: jobId(1),
    action: { kind: "saveAsTextFile", url: pathToFileURL(directory).href, compression: "none" },
  });
  host.submit({ ...submission, job: jobId(2), action: { kind: "count" } });
  expect([...host.preparing]).toEqual([1, 2]);
  host.kill(jobId(1), new MillraceError("JOB_CANCELLED", "killed"));
  await expect.poll(() => [...host.preparing]).toEqual([]);
  expect(refused).toEqual([{ job: 1, code: "JOB_CANCELLED", message: "killed" }]);
  expect(events).toMatchObject([{ kind: "submitted", graph: { job: 2 } }]);
  expect(existsSync(directory)).toBe(false);
  // One that the machine knows is the machine's to end.
  host.kill(jobId(2), new MillraceError("JOB_CANCELLED", "killed"));
  expect(events.at(-1)).toMatchObject({
    kind: "jobBroken",
    job: 2,
    error: { code: "JOB_CANCELLED", message: "killed" },
  });
  await host.close();
});
