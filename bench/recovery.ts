// The recovery figure: one of three workers is killed midway through a sort. Pairs of a calm run and a run with the kill, in
// sessions of their own on local-cluster[3,1,1g]; the added time and what was computed again are printed, the answers compared.
// Midway is when half of all tasks of the calm run have ended. Ends with 1 when a target is missed or an answer differs.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import Table from "cli-table3";
import type { Session as SessionClass } from "millrace";
import { inputFile } from "./data.js";
import { compareValues } from "./report.js";
import { checkSorted } from "./workloads/sort.js";
import type { Value } from "./workloads/workload.js";

/** Of the calm run's time. */
const MAX_ADDED = 0.4;

export interface RecoverySetting {
  readonly root: string;
  /** 1 = 500 MB; the target is stated for 2. */
  readonly size: number;
  readonly pairs: number;
  readonly Session: typeof SessionClass;
}

interface LogEvent {
  readonly type: string;
  readonly worker?: string;
  readonly stage?: number;
  readonly partition?: number;
  readonly outcome?: string;
}

interface Run {
  readonly seconds: number;
  readonly value: Value;
  /** Tasks that ended well, each counted once. */
  readonly tasks: number;
  /** Attempts that were begun beyond the one that each task needs. */
  readonly again: number;
  /** Attempts that the killed worker had begun. */
  readonly ofVictim: number;
  readonly killedAt: number | null;
}

/** true when every pair meets the targets. */
export async function measureRecovery(setting: RecoverySetting): Promise<boolean> {
  const { root, size, pairs } = setting;
  const input = inputFile(join(root, "bench/data"), "records", size);
  const scratch = mkdtempSync(join(root, "bench/data/.recovery-"));
  const head = ["pair", "calm s", "killed s", "added", "tasks", "killed after", "its tasks", "run again", ""];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  let good = true;
  try {
    // What compiles and warms the page cache is in no pair.
    await sortOnce(setting, input.path, join(scratch, "warm"), null);
    for (let pair = 1; pair <= pairs; pair++) {
      const calm = await sortOnce(setting, input.path, join(scratch, `calm-${pair}`), null);
      const killed = await sortOnce(setting, input.path, join(scratch, `killed-${pair}`), Math.floor(calm.tasks / 2));
      const added = killed.seconds / calm.seconds - 1;
      const problems = [
        ...(killed.value.ordered === "yes" ? [] : [`not in order: ${killed.value.ordered}`]),
        ...compareValues(calm.value, killed.value),
        ...(killed.killedAt === null ? ["the job ended before anything was killed"] : []),
        ...(added < MAX_ADDED ? [] : [`more than ${MAX_ADDED * 100} % added`]),
        ...(killed.again <= killed.ofVictim ? [] : ["more run again than the killed worker had"]),
      ];
      good &&= problems.length === 0;
      table.push([
        pair,
        calm.seconds.toFixed(2),
        killed.seconds.toFixed(2),
        `${(added * 100).toFixed(0)} %`,
        calm.tasks,
        killed.killedAt === null ? "" : `${killed.killedAt.toFixed(2)} s`,
        killed.ofVictim,
        killed.again,
        problems.join("; ") || "ok",
      ]);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`recovery: sort of ${(input.bytes / 1e6).toFixed(0)} MB on three workers, one killed midway`);
  console.log(table.toString());
  return good;
}

/** `killAfter`: tasks that have ended when a worker is killed; null: none is. */
async function sortOnce(
  { Session }: RecoverySetting,
  input: string,
  directory: string,
  killAfter: number | null,
): Promise<Run> {
  const localDir = join(directory, "local");
  const events = join(directory, "events");
  const out = join(directory, "out");
  for (const path of [localDir, events]) mkdirSync(path, { recursive: true });
  const session = await Session.open({
    master: `local-cluster[3,1,1g]`,
    localDir,
    "eventLog.dir": events,
    "eventLog.enabled": true,
  });
  const path = join(events, `${session.id}.jsonl`);
  try {
    const workers = workersOf(localDir);
    const started = performance.now();
    const job = session
      .textFile(input)
      .sortBy((line) => line.slice(0, 10))
      .saveAsTextFile(out);
    const kill = killAfter === null ? null : killMidway(session, killAfter, workers[0]?.pid as number, started);
    await job;
    const seconds = (performance.now() - started) / 1000;
    const killedAt = kill?.stop() ?? null;
    const value = checkSorted(out);
    return { seconds, value, killedAt, ...count(path, workers[0]?.id as string) };
  } finally {
    await session.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function workersOf(localDir: string): { id: string; pid: number }[] {
  return readdirSync(localDir)
    .filter((name) => name.startsWith("millrace-"))
    .map((name) => ({
      id: name.slice("millrace-".length),
      pid: (JSON.parse(readFileSync(join(localDir, name, "owner.json"), "utf8")) as { pid: number }).pid,
    }));
}

/** Kills `pid` once `tasks` tasks have ended, as the session's progress tells. */
function killMidway(session: SessionClass, tasks: number, pid: number, started: number): { stop(): number | null } {
  let at: number | null = null;
  const done = new Map<number, number>();
  const remove = session.onProgress((stages) => {
    for (const { stage, done: ended } of stages) done.set(stage, ended);
    const sum = [...done.values()].reduce((a, b) => a + b, 0);
    if (at !== null || sum < tasks) return;
    at = (performance.now() - started) / 1000;
    process.kill(pid, "SIGKILL");
  });
  return {
    stop() {
      remove();
      return at;
    },
  };
}

function count(path: string, victim: string): Pick<Run, "tasks" | "again" | "ofVictim"> {
  const events = readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LogEvent);
  const started = events.filter(({ type }) => type === "taskStarted");
  const tasks = new Set(started.map(({ stage, partition }) => `${stage} ${partition}`)).size;
  const lost = events.findIndex(({ type, worker }) => type === "workerLost" && worker === victim);
  const before = lost < 0 ? [] : events.slice(0, lost);
  return {
    tasks,
    again: started.length - tasks,
    ofVictim: before.filter(({ type, worker }) => type === "taskStarted" && worker === victim).length,
  };
}
