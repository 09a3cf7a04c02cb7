// Bugs that the simulation must find. Each is one change of the sources, made while they are bundled anew into a directory of
// their own; a change whose text is not there any more, or not once, is an error: then the list is to be brought up to date.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bundleSimulation, type SourceChange } from "./bundle.js";
import { range } from "./run-seeds.js";

interface Mutant {
  readonly name: string;
  readonly changes: readonly SourceChange[];
}

const scheduler = "src/master/job-scheduler";
const runner = "src/worker/attempt-runner";

const mutants: readonly Mutant[] = [
  {
    name: "a status is dropped: of several in a message only the first is read",
    changes: [
      {
        file: "src/master/core.ts",
        find: "for (const status of event.statuses) this.#held.reported",
        put: "for (const status of event.statuses.slice(0, 1)) this.#held.reported",
      },
    ],
  },
  {
    name: "a status is dropped: the death of a running slot is not reported",
    changes: [
      {
        file: `${runner}/slot-runs.ts`,
        find: 'if (state.kind === "running") this.#end(state.launch.key, { kind: "failed"',
        put: 'if (state.kind === "running" && slot < 0) this.#end(state.launch.key, { kind: "failed"',
      },
    ],
  },
  {
    name: "an output is committed twice",
    changes: [
      {
        file: `${scheduler}/jobs.ts`,
        find: 'if (record === undefined || record.result.state.kind !== "committing") return;',
        put: 'if (record === undefined || record.result.state.kind !== "committing") return;\nif (record.failedAttempts > 0) this.#shared.ports.emit({ kind: "commitOutput", session, job, files: record.result.tasks.flatMap(({ state }) => state.kind === "succeeded" && state.result?.kind === "file" ? [state.result] : []) });',
      },
    ],
  },
  {
    name: "a stale attempt wins",
    changes: [
      {
        file: `${scheduler}/attempts.ts`,
        find: "return at.attempt === key.attempt && at.worker === worker ? { record, task, at } : null;",
        put: "return { record, task, at };",
      },
    ],
  },
  {
    name: "a second attempt is launched on the worker of the first",
    changes: [
      {
        file: `${scheduler}/speculation.ts`,
        find: 'if (state.kind !== "running" || state.worker === worker) return false;',
        put: 'if (state.kind !== "running") return false;',
      },
    ],
  },
  {
    name: "an attempt that is left of two is not waited for",
    changes: [
      {
        file: `${scheduler}/attempts.ts`,
        find: 'if (running) moveTask(this.#shared, record, task, "single", { ...other, kind: "running" });',
        put: 'if (running) moveTask(this.#shared, record, task, "single", { ...main, kind: "running" });',
      },
    ],
  },
  {
    name: "a lost output is kept",
    changes: [
      {
        file: "src/master/map-outputs/core.ts",
        find: "if (state === undefined || found?.location.worker !== worker || found.sinceChange > beforeChange) return false;",
        put: "if (state !== undefined) return found?.location.worker === worker;",
      },
      {
        file: "src/master/map-outputs/core.ts",
        find: "if (maps.length === 0) continue;",
        put: "if (maps.length >= 0) continue;",
      },
    ],
  },
  {
    name: "a recomputed output that holds other records is taken as the same",
    changes: [
      {
        file: "src/master/map-outputs/core.ts",
        find: "if (before === undefined || !differ(before, output)) return false;",
        put: "if (before === undefined || !differ(before, output) || map >= 0) return false;",
      },
    ],
  },
  {
    name: "an output is taken back from a worker that did not offer it",
    changes: [
      {
        file: "src/master/map-outputs/core.ts",
        find: "if (isOffered(map, output)) this.#put(",
        put: "if (isOffered(map, output) || map >= 0) this.#put(",
      },
    ],
  },
  {
    name: "a deadline never fires: the termination of a slot that does not look at the cancel word",
    changes: [
      {
        file: `${runner}/slot-runs.ts`,
        find: "now - state.sinceMs >= terminateAfterMs",
        put: "now < 0 * terminateAfterMs",
      },
    ],
  },
  {
    name: "a deadline never fires: silent workers are not given up",
    changes: [
      {
        file: "src/master/worker-registry/core.ts",
        find: "now - record.lastHeardMs >= this.#options.heartbeatTimeoutMs",
        put: "now < 0 * this.#options.heartbeatTimeoutMs",
      },
    ],
  },
  {
    name: "a shuffle is released under a job that reads it",
    changes: [
      {
        file: `${scheduler}/jobs.ts`,
        find: "if ([...session.jobs.values()].some((job) => usesShuffle(job, shuffle))) continue;",
        put: "usesShuffle;",
      },
    ],
  },
  {
    name: "a result is kept that its master has fetched",
    changes: [
      {
        file: `${scheduler}/results.ts`,
        find: "// Here, or not to be had: its file may go.\n    this.#release(task, key);",
        put: "",
      },
    ],
  },
  {
    name: "a session is dropped while its attempts still write",
    changes: [
      {
        file: `${runner}/core.ts`,
        find: "if (this.#slots.worksFor(session)) continue;",
        put: "",
      },
    ],
  },
  {
    name: "what a slot was given and did not begin is forgotten",
    changes: [
      {
        file: `${runner}/slot-runs.ts`,
        find: 'for (const { launch, outcome } of rest) this.#end(launch.key, outcome ?? { kind: "cancelled" });',
        put: "void rest;",
      },
    ],
  },
  {
    name: "an attempt that ends after its job counts on in its pool",
    changes: [
      {
        file: "src/master/task-assigner/pools.ts",
        find: "count.pool.running += change;",
        put: "if (count.queue !== null) count.pool.running += change;",
      },
    ],
  },
];

/** Mutants whose text does not stand exactly once in the sources of `root`. */
export function staleMutants(root: string): string[] {
  return mutants.flatMap(({ name, changes }) => {
    const stale = changes.filter(({ file, find }) => readFileSync(join(root, file), "utf8").split(find).length !== 2);
    return stale.map(({ file }) => `${name}: ${file}`);
  });
}

export interface Hunt {
  readonly from: number;
  /** Runs a mutant may survive. */
  readonly seeds: number;
  /** Only mutants whose names have it in them. */
  readonly only: string;
}

/** Hunts so many mutants at once, each in a process of its own. */
const AT_ONCE = 2;

/** Runs each mutant until a seed fails, one process a mutant. `command`: this program, as a process again. true when all were found. */
export async function huntMutants(
  command: readonly [string, ...string[]],
  { from, seeds, only }: Hunt,
  log: (line: string) => void,
): Promise<boolean> {
  const hunted = mutants.map(({ name }, index) => ({ name, index })).filter(({ name }) => name.includes(only));
  const waiting = [...hunted];
  let survivors = 0;
  const hunt = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [file, ...args] = command;
      const own = ["--mutant", String(next.index), "--from", String(from), "--seeds", String(seeds)];
      const child = spawn(file, [...args, ...own], { stdio: ["ignore", "pipe", "inherit"] });
      const chunks: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
      const [code] = (await once(child, "close")) as [number | null];
      log(`${next.name}\n  ${Buffer.concat(chunks).toString("utf8").trim()}`);
      if (code !== 0) survivors++;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, hunt));
  log(`${hunted.length} mutants, ${survivors} not found`);
  return survivors === 0;
}

/** Runs one mutant until a seed fails; says how many it took. */
export async function huntOne(root: string, index: number, from: number, seeds: number): Promise<string | null> {
  const mutant = mutants[index];
  if (mutant === undefined) throw new Error(`there is no mutant ${index}`);
  const started = performance.now();
  const runSeeds = await bundleSimulation(root, `mutant-${index}`, mutant.changes);
  let problem = "";
  const { failed } = await runSeeds({
    seeds: range(from, seeds),
    onRun: ({ problems }) => {
      problem = problems[0]?.split("\n")[0] ?? "";
      return problems.length === 0;
    },
  });
  const [seed] = failed;
  if (seed === undefined) return null;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  return `found after ${seed - from + 1} seeds, by ${seed}, in ${seconds} s: ${problem.slice(0, 160)}`;
}
