// `millrace status`: what a running master says of its sessions, jobs, stages and workers, as tables or as JSON.

import { formatBytes, formatDuration, parseDuration } from "../../core/sizes.js";
import type { MasterSnapshot } from "../../master/snapshot.js";
import type { StoredOnWorker } from "../../master/storage-snapshot.js";
import { formatSkew } from "../../protocol/skew.js";
import type { StatusFlags } from "../flags.js";
import { formatNamedValue } from "../named-values.js";
import { formatCount } from "../progress-bar.js";
import { dialMaster } from "../remote-master.js";
import { watchStatus } from "../status-watch.js";
import { table } from "../tables.js";
import { history, masterOf } from "./history.js";

export async function status(flags: StatusFlags): Promise<void> {
  const master = masterOf(flags);
  if (master === null) return history(flags);
  const intervalMs = parseDuration(flags.interval, "--interval");
  const channel = await dialMaster(master, "status", flags);
  try {
    const ask = async () => (await channel.ask({ ask: "status" })) as MasterSnapshot;
    if (flags.watch === true) {
      const stop = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
      return await watchStatus({
        ask,
        intervalMs,
        json: flags.json === true,
        output: process.stdout,
        signal: stop.signal,
      });
    }
    const snapshot = await ask();
    process.stdout.write(
      flags.json === true ? `${JSON.stringify(snapshot, null, 2)}\n` : formatSnapshot(snapshot, Date.now()),
    );
  } finally {
    channel.close();
  }
}

export function formatSnapshot(snapshot: MasterSnapshot, nowMs: number): string {
  const since = (sinceMs: number) => formatDuration(nowMs - sinceMs);
  const slots = snapshot.workers.reduce((sum, worker) => sum + worker.slots, 0);
  const parts = [
    `${snapshot.url}  millrace ${snapshot.version}, up ${since(snapshot.startedMs)}, ${snapshot.workers.length} ${snapshot.workers.length === 1 ? "worker" : "workers"} with ${slots} slots\n`,
  ];
  parts.push(
    table(
      "Workers",
      ["id", "role", "state", "node", "slots", "attempts", "memory", "rss", "cache", "pressure", "pid"],
      snapshot.workers.map((w) => [
        w.id,
        w.role,
        stateOf(w),
        w.node,
        w.slots,
        w.running,
        formatBytes(w.memoryBytes),
        w.rssBytes === null ? "" : formatBytes(w.rssBytes),
        w.cacheBytes === null ? "" : formatBytes(w.cacheBytes),
        w.pressure ?? "",
        w.pid,
      ]),
    ),
  );
  const excluded = snapshot.workers.flatMap((worker) =>
    worker.excluded.map(({ scope, session, reason, forMs }) => [
      worker.id,
      scope === "cluster" ? "every session" : `${scope} of ${session}`,
      forMs === null ? "the stage's end" : `${Math.ceil(forMs / 1000)} s from now`,
      reason,
    ]),
  );
  if (excluded.length > 0) parts.push(table("Workers excluded", ["id", "for", "until", "why"], excluded));
  parts.push(
    table(
      "Sessions",
      ["id", "name", "open for", "jobs running", "shuffle files"],
      snapshot.sessions.map((s) => [
        s.id,
        s.appName,
        since(s.openedMs),
        s.jobs.map(({ job }) => job).join(", "),
        formatBytes(s.shuffleBytes),
      ]),
    ),
  );
  parts.push(
    table(
      "Jobs running",
      ["session", "job", "action", "stages", "tasks", "running", "failed", "shuffled", "spilled", "for"],
      snapshot.sessions.flatMap((s) =>
        s.jobs.map((j) => [
          s.id,
          j.job,
          j.name,
          `${j.stagesDone} of ${j.stages}`,
          `${j.tasksDone} of ${j.tasks}`,
          j.running,
          j.failedAttempts,
          formatBytes(j.shuffleBytes),
          formatBytes(j.spillBytes),
          since(j.startedMs),
        ]),
      ),
    ),
  );
  const named = snapshot.sessions.flatMap((s) =>
    s.jobs
      .filter(({ pool, group, tags }) => pool !== undefined || group !== undefined || tags !== undefined)
      .map(({ job, pool = "", group = "", description = "", tags = [] }) => [
        s.id,
        job,
        pool,
        group,
        description,
        tags.join(", "),
      ]),
  );
  if (named.length > 0)
    parts.push(table("Names of jobs", ["session", "job", "pool", "group", "description", "tags"], named));
  const pools = snapshot.sessions.flatMap((s) =>
    s.pools.map((p) => [s.id, p.name, p.mode, p.weight, p.minShare, p.running, p.pending]),
  );
  if (pools.length > 0)
    parts.push(table("Pools", ["session", "name", "mode", "weight", "least share", "attempts", "waiting"], pools));
  parts.push(
    table(
      "Stages running",
      ["session", "job", "stage", "name", "tasks", "done", "running", "failed", "records", "bytes", "for"],
      snapshot.sessions.flatMap((s) =>
        s.stages.map((g) => [
          ...[s.id, g.job, g.stage, g.name, g.tasks, g.done, g.running, g.failed],
          ...[formatCount(g.records), formatBytes(g.bytes), since(g.startedMs)],
        ]),
      ),
    ),
  );
  const storage = snapshot.sessions.flatMap((s) =>
    s.storage.map((r) => [
      s.id,
      r.node,
      r.name === null ? r.operation : `${r.name} (${r.operation})`,
      r.level,
      `${r.cached} of ${r.partitions}`,
      formatBytes(r.memoryBytes),
      formatBytes(r.diskBytes),
      r.workers.map(storedOn).join("\n"),
    ]),
  );
  if (storage.length > 0)
    parts.push(table("Storage", ["session", "rdd", "name", "level", "cached", "memory", "disk", "workers"], storage));
  const skew = snapshot.sessions.flatMap((s) =>
    s.stages.flatMap((g) => (g.skew ?? []).map((found) => `  ${s.id}, stage ${g.stage}: ${formatSkew(found)}\n`)),
  );
  if (skew.length > 0) parts.push(`Skew\n${skew.join("")}`);
  const values = snapshot.sessions.flatMap((s) =>
    s.stages.flatMap((g) => (g.accumulators ?? []).map((v) => `  ${s.id}, stage ${g.stage}: ${formatNamedValue(v)}\n`)),
  );
  if (values.length > 0) parts.push(`Accumulators\n${values.join("")}`);
  return parts.join("\n");
}

function storedOn({ worker, partitions, memoryBytes, diskBytes }: StoredOnWorker): string {
  return `${worker}: ${partitions}, ${formatBytes(memoryBytes)} memory, ${formatBytes(diskBytes)} disk`;
}

function stateOf({ state, decommission }: MasterSnapshot["workers"][number]): string {
  if (decommission === null) return state;
  const { blocksLeft, bytesLeft, leavesInMs } = decommission;
  const left = blocksLeft === 0 ? "nothing to move" : `${blocksLeft} blocks (${formatBytes(bytesLeft)}) to move`;
  return `${state}, ${left}, leaves within ${Math.ceil(leavesInMs / 1000)} s`;
}
