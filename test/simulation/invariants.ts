// What must hold, each under a name: after every step of the master, when all jobs are over, and when all sessions are closed.
// A failure says which one broke.

import { formatTaskKey } from "../../src/core/ids.js";
import { mapOutputPath, sessionDirectories } from "../../src/shuffle/paths.js";
import type { SimulatedDriver } from "./cluster/driver.js";
import type { SimulatedMaster } from "./cluster/master.js";
import type { SimulatedWorker } from "./cluster/worker.js";
import type { Disks } from "./world/disk.js";

export interface Watched {
  readonly master: SimulatedMaster;
  readonly workers: readonly SimulatedWorker[];
  readonly drivers: readonly SimulatedDriver[];
  readonly disks: Disks;
  /** Files that a fault took. */
  readonly lostFiles: ReadonlySet<string>;
}

interface Invariant {
  readonly name: string;
  /** What breaks it; empty when it holds. */
  check(watched: Watched): string[];
}

/** After every step of the master. */
export const always: readonly Invariant[] = [
  { name: "the master's counts agree", check: ({ master }) => master.machine.validate() },
  { name: "no block is lost that should live", check: missingOutputs },
];

/** All jobs are over, sessions still open. */
export const atRest: readonly Invariant[] = [
  { name: "every attempt ended", check: heldAttempts },
  { name: "no slot is leaked", check: ({ workers }) => workers.flatMap(busySlots) },
  { name: "every worker is back", check: missingWorkers },
  { name: "no result is kept that its driver has", check: (watched) => filesOf(watched, "results") },
  { name: "no scratch file outlives its attempt", check: (watched) => filesOf(watched, "attempts") },
];

/** All sessions are closed: nothing of them may be anywhere. */
export const atTheEnd: readonly Invariant[] = [
  ...atRest,
  { name: "no block is kept that nobody can need", check: leftFiles },
  { name: "no cached partition is kept that nobody can need", check: leftCaches },
  { name: "no pending output is kept", check: pendingOutputs },
  { name: "the master keeps no session", check: ({ master }) => master.leftovers() },
];

export function broken(invariants: readonly Invariant[], watched: Watched): string[] {
  return invariants.flatMap(({ name, check }) => check(watched).map((what) => `[${name}] ${what}`));
}

/** Spelt once: asked for after every step. */
const paths = new WeakMap<object, string>();

/** A map output that the master counts on is a file of its worker, unless a fault took it or the worker is gone. */
function missingOutputs({ master, workers, disks, lostFiles }: Watched): string[] {
  const problems: string[] = [];
  for (const { session, shuffle, map, location } of master.machine.view.countedOutputs()) {
    const worker = workers.find(({ id }) => id === location.worker);
    if (worker === undefined || !worker.node.alive || !master.knows(worker)) continue;
    let path = paths.get(location);
    if (path === undefined) {
      path = mapOutputPath(worker.directory, { session, shuffle, map, ...location });
      paths.set(location, path);
    }
    if (!disks.exists(path) && !lostFiles.has(path)) problems.push(`${path} is not there`);
  }
  return problems;
}

function heldAttempts({ master, workers }: Watched): string[] {
  const counted = master.machine.view.workers.flatMap((record) =>
    [...record.attempts.keys()].map((name) => `the master counts ${name} on ${record.id}`),
  );
  const held = workers.flatMap(({ node, shell }) =>
    (shell?.runner.held ?? []).map((key) => `${node.name} holds ${formatTaskKey(key)}`),
  );
  return [...counted, ...held];
}

function busySlots({ node, shell }: SimulatedWorker): string[] {
  return (shell?.runner.slots ?? []).flatMap(({ kind }, slot) =>
    kind === "idle" ? [] : [`slot ${slot} of ${node.name} is ${kind}`],
  );
}

function missingWorkers({ master, workers }: Watched): string[] {
  return workers.flatMap((worker) => {
    if (!worker.node.alive) return [`${worker.node.name} is down`];
    const state = master.machine.view.workers.find(({ id }) => id === worker.id)?.state.kind;
    return state === "active" ? [] : [`${worker.node.name} is ${state ?? "unknown"} to the master`];
  });
}

function filesOf({ workers, disks }: Watched, kind: "results" | "attempts"): string[] {
  return workers.flatMap(({ directory }) => disks.filesBelow(`${directory}/${kind}`).map((path) => `${path} is left`));
}

function leftFiles({ workers, drivers, disks }: Watched): string[] {
  return workers.flatMap(({ directory }) =>
    drivers.flatMap(({ session }) =>
      session === null
        ? []
        : sessionDirectories(directory, session).flatMap((below) =>
            disks.filesBelow(below).map((path) => `${path} is left`),
          ),
    ),
  );
}

function leftCaches({ workers, disks }: Watched): string[] {
  return workers.flatMap(({ node, shell, directory }) => {
    const files = disks.filesBelow(`${directory}/cache`).map((path) => `${path} is left`);
    const bytes = shell?.cache.usedBytes ?? 0;
    return bytes === 0 ? files : [...files, `${node.name} still caches ${bytes} bytes`];
  });
}

function pendingOutputs({ disks }: Watched): string[] {
  return disks.filesBelow("/shared").flatMap((path) => (path.includes("/_temporary/") ? [`${path} is left`] : []));
}
