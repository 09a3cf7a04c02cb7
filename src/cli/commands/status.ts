// `millrace status`: what a running master says of its sessions, jobs, stages and workers, as tables or as JSON.

import Table from "cli-table3";
import { formatBytes } from "../../core/sizes.js";
import { version } from "../../core/version.js";
import type { MasterSnapshot } from "../../master/snapshot.js";
import type { StoredOnWorker } from "../../master/storage-snapshot.js";
import { formatSkew } from "../../protocol/skew.js";
import { clusterSecret } from "../../rpc/access/cluster-secret.js";
import { tlsIdentity } from "../../rpc/access/tls.js";
import { dial } from "../../rpc/grpc/channel.js";
import type { StatusFlags } from "../flags.js";
import { remoteAddress } from "../remote-master.js";

export async function status(flags: StatusFlags): Promise<void> {
  const address = remoteAddress(flags.master);
  const channel = await dial({
    role: "admin",
    id: "status",
    secret: clusterSecret(flags.secretFile),
    tls: tlsIdentity(flags.tls),
    version,
    address,
  });
  try {
    const snapshot = (await channel.ask({ ask: "status" })) as MasterSnapshot;
    process.stdout.write(
      flags.json === true ? `${JSON.stringify(snapshot, null, 2)}\n` : formatSnapshot(snapshot, Date.now()),
    );
  } finally {
    channel.close();
  }
}

export function formatSnapshot(snapshot: MasterSnapshot, nowMs: number): string {
  const seconds = (sinceMs: number) => `${((nowMs - sinceMs) / 1000).toFixed(0)} s`;
  const slots = snapshot.workers.reduce((sum, worker) => sum + worker.slots, 0);
  const parts = [
    `${snapshot.url}  millrace ${snapshot.version}, up ${seconds(snapshot.startedMs)}, ${snapshot.workers.length} workers with ${slots} slots\n`,
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
      ["id", "name", "open for", "jobs running"],
      snapshot.sessions.map((s) => [s.id, s.appName, seconds(s.openedMs), s.jobs.join(", ")]),
    ),
  );
  parts.push(
    table(
      "Stages running",
      ["session", "job", "stage", "name", "tasks", "done", "running", "failed"],
      snapshot.sessions.flatMap((s) =>
        s.stages.map((g) => [s.id, g.job, g.stage, g.name, g.tasks, g.done, g.running, g.failed]),
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

function table(title: string, head: string[], rows: (string | number)[][]): string {
  if (rows.length === 0) return `${title}: none\n`;
  // No colours: they would go into pipes.
  const drawn = new Table({ head, style: { head: [], border: [] } });
  drawn.push(...rows);
  return `${title}\n${drawn.toString()}\n`;
}
