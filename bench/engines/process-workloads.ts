// startup: a trivial program as a whole process, from a directory without package.json. First = the first start here, warm =
// the best of the later ones (files in the page cache); there is no session to be warm.

import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Measurement } from "../report.js";
import { type ProcessSpec, runProcess } from "./run-process.js";

export async function measureStartup(
  root: string,
  master: string,
  scratch: string,
  repeat: number,
  signal: AbortSignal,
): Promise<Measurement> {
  mkdirSync(scratch, { recursive: true });
  copyFileSync(join(root, "examples/trivial.ts"), join(scratch, "trivial.ts"));
  const args = [join(root, "dist/cli.js"), "run", "--master", master, "trivial.ts"];
  return measureStarts(master, { command: process.execPath, args, cwd: scratch }, repeat, signal);
}

export async function measureStarts(
  engine: string,
  spec: ProcessSpec,
  repeat: number,
  signal: AbortSignal,
): Promise<Measurement> {
  const runs = [await runProcess(spec, signal)];
  for (let turn = 0; turn < Math.max(repeat, 2); turn++) runs.push(await runProcess(spec, signal));
  const [first, ...later] = runs;
  return {
    engine,
    first: first!.seconds,
    warm: Math.min(...later.map(({ seconds }) => seconds)),
    peakBytes: Math.max(...runs.map(({ peakBytes }) => peakBytes ?? 0)) || null,
    cpu: null,
    shuffleBytes: null,
    value: {},
    notes: "",
  };
}
