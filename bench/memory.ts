// The memory figures: a sort of 4 GB, groupByKey with 2 GB of values and a join of 2 GB with 2 GB, each on two worker
// processes of 512 MB with one slot. Printed: seconds, failed attempts, spilled bytes, the greatest RSS that the system saw in
// each worker process (VmHWM), held against the limit + 15 %; every answer is checked. Ends with 1 when one of it is not so.
//
//   npx tsx bench/memory.ts [--size 0.1] [--memory 512m] [sort] [group] [join]

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Session } from "millrace";
import { parseBytes } from "../src/core/sizes.js";
import { inputFile } from "./data.js";
import { commandLine, descendants } from "./process-tree.js";
import { checkSorted, digestLines } from "./workloads/sort.js";

const ALLOWANCE = 1.15;
const SAMPLE_MS = 200;
/** Of bench/data.ts: 5 M records of 100 bytes at size 1. */
const SORT_SIZE = 8;
const ROWS = 20_000_000;
const VALUE_CHARS = 100;
const DISTINCT_KEYS = 200_000;
const MAPS = 64;
const REDUCES = 64;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string", default: "1" },
    memory: { type: "string", default: "512m" },
  },
});
const size = Number(flags.size);
const limitBytes = parseBytes(flags.memory);

interface Figures {
  readonly expected: unknown;
  readonly found: unknown;
}

/** Greatest RSS of every worker process that there was. */
class WorkerPeaks {
  readonly #peaks = new Map<number, number>();
  readonly #timer = setInterval(() => this.look(), SAMPLE_MS);

  look(): void {
    for (const pid of descendants(process.pid)) {
      if (!commandLine(pid).includes("worker.js")) continue;
      const peak = peakBytes(pid);
      if (peak > 0) this.#peaks.set(pid, peak);
    }
  }

  end(): number[] {
    this.look();
    clearInterval(this.#timer);
    return [...this.#peaks.values()];
  }
}

function peakBytes(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** A value of 100 characters that its number is read back from. */
function textOf(row: number): string {
  const text = `value ${row} `;
  return text + "abcdefghijklmnopqrstuvwxyz".repeat(4).slice(0, VALUE_CHARS - text.length);
}

const numberOf = (value: string) => Number.parseInt(value.slice(6), 10);

const workloads: Readonly<Record<string, (session: Session, folder: string) => Promise<Figures>>> = {
  async sort(session, folder) {
    const input = inputFile(folder, "records", SORT_SIZE * size);
    const out = join(folder, "sorted");
    await session
      .textFile(input.path)
      .sortBy((line) => line.slice(0, 10))
      .saveAsTextFile(out);
    return { expected: { ...digestLines([input.path]), ordered: "yes" }, found: checkSorted(out) };
  },
  async group(session) {
    const rows = Math.round(ROWS * size);
    const keys = Math.round(DISTINCT_KEYS * size);
    const found = await session
      .range(0, rows, 1, MAPS)
      .map((row) => [`key-${row % keys}`, textOf(row)])
      .groupByKey(REDUCES)
      .map(([key, values]) => {
        let count = 0;
        let sum = 0;
        let rising = true;
        let last = -1;
        for (const value of values) {
          const row = numberOf(value);
          count++;
          sum += row;
          rising &&= row > last && `key-${row % keys}` === key;
          last = row;
        }
        return [1, count, sum, rising ? 0 : 1] as number[];
      })
      .fold([0, 0, 0, 0] as number[], (a, b) => a.map((n, i) => n + (b[i] as number)));
    return { expected: [keys, rows, (rows * (rows - 1)) / 2, 0], found };
  },
  async join(session) {
    const rows = Math.round(ROWS * size);
    const side = (factor: number) => session.range(0, rows, 1, MAPS).map((row) => [`key-${row}`, textOf(row * factor)]);
    const found = await side(1)
      .join(side(2), REDUCES)
      .map(([key, [left, right]]) => {
        const row = numberOf(left);
        const wrong = key === `key-${row}` && numberOf(right) === 2 * row ? 0 : 1;
        return [1, row, wrong] as number[];
      })
      .fold([0, 0, 0] as number[], (a, b) => a.map((n, i) => n + (b[i] as number)));
    return { expected: [rows, (rows * (rows - 1)) / 2, 0], found };
  },
};

async function measure(name: string): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), `millrace-memory-${name}-`));
  const peaks = new WorkerPeaks();
  const session = await Session.open({
    master: `local-cluster[2,1,${flags.memory}]`,
    appName: `memory ${name}`,
    localDir: folder,
    "eventLog.dir": join(folder, "events"),
  });
  let failed = 0;
  let spilled = 0;
  session.onJobEnd(({ summary }) => {
    failed += summary?.failedAttempts ?? 0;
    spilled += summary?.spillBytes ?? 0;
  });
  const started = performance.now();
  let seconds = 0;
  try {
    const { expected, found } = await (workloads[name] as (typeof workloads)[string])(session, folder);
    seconds = (performance.now() - started) / 1000;
    const same = JSON.stringify(expected) === JSON.stringify(found);
    if (!same) console.log(`${name}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
    return report(name, same, seconds, failed, spilled, peaks.end());
  } catch (error) {
    console.log(`${name}: ${(error as Error).message}`);
    report(name, false, (performance.now() - started) / 1000, failed, spilled, peaks.end());
    return false;
  } finally {
    await session.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(
  name: string,
  same: boolean,
  seconds: number,
  failed: number,
  spilled: number,
  peaks: readonly number[],
): boolean {
  const mb = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MB`;
  const within = Math.max(...peaks) <= limitBytes * ALLOWANCE;
  const shown = peaks.map(mb).join(", ");
  console.log(
    `${name.padEnd(6)} size ${size}: ${same ? "right" : "WRONG"}, ${seconds.toFixed(1)} s, ${failed} failed attempts, spilled ${mb(spilled)}, ` +
      `peak RSS ${shown} of ${mb(limitBytes * ALLOWANCE)}: ${within ? "within" : "ABOVE"}`,
  );
  return same && within;
}

const names = positionals.length > 0 ? positionals : Object.keys(workloads);
for (const name of names) {
  if (!(name in workloads))
    throw new Error(`no workload is called ${name}; there are ${Object.keys(workloads).join(", ")}`);
  if (!(await measure(name))) process.exitCode = 1;
}
