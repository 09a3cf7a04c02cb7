// A master's state in lines for `millrace status --watch`: short enough for a terminal, and one line for a pipe. Tables
// (commands/status.ts) would wrap.

import { formatBytes, formatDuration } from "../core/sizes.js";
import type { MasterSnapshot, SessionSnapshot, WorkerSnapshot } from "../master/snapshot.js";
import { formatStage, skewLines } from "./progress-bar.js";

/** Every worker, session, running job and stage, and every cached RDD. */
export function formatLines(snapshot: MasterSnapshot, nowMs: number): string[] {
  const { url, version, startedMs, workers, sessions } = snapshot;
  const width = Math.max(0, ...workers.map(({ id }) => id.length));
  return [
    `${url}  millrace ${version}, up ${formatDuration(nowMs - startedMs)}, ${slotsOf(snapshot)}`,
    ...(workers.length === 0 ? ["  no worker is there: start one by `millrace worker --master URL`"] : []),
    ...workers.map((worker) => `  ${workerLine(worker, width)}`),
    ...(sessions.length === 0 ? ["no session is open"] : []),
    ...sessions.flatMap((session) => sessionLines(session, nowMs)),
  ];
}

/** The same without ages, so that it stays the same while nothing happens. */
export function formatOneLine(snapshot: MasterSnapshot): string {
  const sessions = snapshot.sessions.map(({ id, appName, jobs, storage }) => {
    const running = jobs.map(
      ({ job, stages, stagesDone, tasks, tasksDone, failedAttempts }) =>
        `job ${job}: ${stagesDone}/${stages} stages, ${tasksDone}/${tasks} tasks${failedAttempts > 0 ? `, ${failedAttempts} failed attempts` : ""}`,
    );
    const cached = storage.reduce((sum, { cached }) => sum + cached, 0);
    const parts = [...running, ...(cached > 0 ? [`${cached} cached partitions`] : [])];
    return `${id} (${appName}) ${parts.length === 0 ? "idle" : parts.join(", ")}`;
  });
  return [slotsOf(snapshot), ...(sessions.length === 0 ? ["no session is open"] : sessions)].join("; ");
}

function slotsOf({ workers }: MasterSnapshot): string {
  const sum = (of: (worker: WorkerSnapshot) => number) => workers.reduce((total, worker) => total + of(worker), 0);
  const slots = sum((worker) => worker.slots);
  // Attempts also wait at a worker ahead of its slots.
  const busy = sum((worker) => Math.min(worker.running, worker.slots));
  return `${workers.length} ${workers.length === 1 ? "worker" : "workers"}, ${busy} of ${slots} slots busy`;
}

function workerLine(worker: WorkerSnapshot, width: number): string {
  const { id, role, state, slots, running, memoryBytes, rssBytes, cacheBytes, pressure, decommission, excluded } =
    worker;
  const queued = running > slots ? ` +${running - slots} waiting` : "";
  const memory =
    rssBytes === null ? formatBytes(memoryBytes) : `${formatBytes(rssBytes)} of ${formatBytes(memoryBytes)}`;
  return [
    `${id.padEnd(width)}  ${role}  ${state}  ${Math.min(running, slots)}/${slots} slots${queued}  ${memory}`,
    cacheBytes === null || cacheBytes === 0 ? "" : `cache ${formatBytes(cacheBytes)}`,
    pressure === null || pressure === "calm" ? "" : `memory is ${pressure}`,
    decommission === null
      ? ""
      : `${decommission.blocksLeft} blocks to move, leaves within ${Math.ceil(decommission.leavesInMs / 1000)} s`,
    excluded.length === 0 ? "" : `excluded: ${excluded.map(({ reason }) => reason).join("; ")}`,
  ]
    .filter((part) => part !== "")
    .join("  ");
}

function sessionLines({ id, appName, openedMs, jobs, stages, shuffleBytes, storage }: SessionSnapshot, nowMs: number) {
  const shuffle = shuffleBytes === 0 ? "" : `, ${formatBytes(shuffleBytes)} of shuffle files`;
  return [
    `${id}  ${appName}, open for ${formatDuration(nowMs - openedMs)}${jobs.length === 0 ? ", idle" : ""}${shuffle}`,
    ...jobs.flatMap((job) => {
      const spilled = job.spillBytes === 0 ? "" : `  ${formatBytes(job.spillBytes)} spilled`;
      const { pool, group } = job;
      const traits = `${pool === undefined ? "" : `  pool ${pool}`}${group === undefined ? "" : `  group ${group}`}`;
      const failed = job.failedAttempts === 0 ? "" : `, ${job.failedAttempts} failed attempts`;
      return [
        `  job ${job.job}  ${job.name}  ${job.stagesDone}/${job.stages} stages, ${job.tasksDone}/${job.tasks} tasks${failed}${spilled}${traits}  ${formatDuration(nowMs - job.startedMs)}`,
        ...stages
          .filter((stage) => stage.job === job.job)
          .flatMap((stage) => [`    ${formatStage(stage, nowMs)}`, ...skewLines(stage).map((line) => `    ${line}`)]),
      ];
    }),
    ...storage.map(({ name, operation, level, cached, partitions, memoryBytes, diskBytes }) => {
      const disk = diskBytes === 0 ? "" : `, ${formatBytes(diskBytes)} on disk`;
      return `  cached ${name === null ? operation : `${name} (${operation})`}  ${level}  ${cached} of ${partitions} partitions, ${formatBytes(memoryBytes)} in memory${disk}`;
    }),
  ];
}
