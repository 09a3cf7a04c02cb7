// The engine's side of a fault: what the chaos variant calls at its named points. A fault is a token file; whoever renames it
// has it, so exactly as many faults happen as there are tokens, whatever number of processes and threads comes by. What
// happened is written before it happens: a test proves by it that its fault fired.
//
//   <directory>/armed/<point>~<token>      { action, where, at }
//   <directory>/fired/<point>~<token>      renamed; then <name>.json: who and where

import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { threadId } from "node:worker_threads";

export type Action =
  /** SIGKILL of this process. */
  | "kill"
  /** SIGSTOP of this process. */
  | "stop"
  /** The error of a full disk, thrown here. */
  | "enospc"
  /** One byte of `bytes`, or of the file `path`, gets another value. */
  | "corrupt"
  /** `drop` is called: it ends connections. */
  | "drop";

export interface Token {
  readonly action: Action;
  /** What the point must say of itself: a value, or { atLeast }. `pass` counts the calls of a point within an attempt. */
  readonly where?: Readonly<Record<string, unknown>>;
  /** Of the bytes: which one is changed, from 0 to 1. */
  readonly at?: number;
}

interface Detail {
  readonly bytes?: Uint8Array;
  readonly path?: string;
  /** Where the data of the file end. */
  readonly end?: number;
  readonly drop?: () => void;
  readonly [name: string]: unknown;
}

const directory = process.env.MILLRACE_INTERNAL_CHAOS;
/** The attempt that this thread runs. */
let attempt: Readonly<Record<string, unknown>> = {};
const passes = new Map<string, number>();

/** A named point. `task` is told when an attempt begins in this thread. */
export function chaos(point: string, detail: Detail = {}): void {
  if (directory === undefined) return;
  if (point === "task.begin") {
    attempt = detail;
    passes.clear();
  }
  const pass = (passes.get(point) ?? 0) + 1;
  passes.set(point, pass);
  let armed: string[];
  try {
    armed = readdirSync(join(directory, "armed"));
  } catch {
    // The test is over and its directory gone.
    return;
  }
  for (const name of armed) {
    if (!name.startsWith(`${point}~`)) continue;
    const token = take(name, { ...attempt, ...detail, pass });
    if (token !== null) act(token, detail);
  }
}

/** A constant of the engine that a test may set: MILLRACE_INTERNAL_CHAOS_<name>. */
export function chaosNumber(name: string, usual: number): number {
  const given = process.env[`MILLRACE_INTERNAL_CHAOS_${name}`];
  return given === undefined ? usual : Number(given);
}

function take(name: string, seen: Readonly<Record<string, unknown>>): Token | null {
  const from = join(directory as string, "armed", name);
  const to = join(directory as string, "fired", name);
  try {
    const token = JSON.parse(readFileSync(from, "utf8")) as Token;
    if (!Object.entries(token.where ?? {}).every(([field, wanted]) => fits(seen[field], wanted))) return null;
    renameSync(from, to);
    const said = Object.entries(seen).filter(([, value]) => typeof value === "number" || typeof value === "string");
    // Whoever waits for the file never sees a part of it.
    writeFileSync(`${to}.draft`, JSON.stringify({ ...Object.fromEntries(said), pid: process.pid, thread: threadId }));
    renameSync(`${to}.draft`, `${to}.json`);
    return token;
  } catch (error) {
    // Somebody else was faster.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function fits(value: unknown, wanted: unknown): boolean {
  if (typeof wanted !== "object" || wanted === null) return value === wanted;
  return typeof value === "number" && value >= (wanted as { atLeast: number }).atLeast;
}

function act({ action, at = 0.5 }: Token, { bytes, path, end, drop }: Detail): void {
  switch (action) {
    case "kill":
    case "stop":
      process.kill(process.pid, action === "kill" ? "SIGKILL" : "SIGSTOP");
      return;
    case "enospc":
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
    case "corrupt":
      if (bytes !== undefined) flip(bytes, Math.floor(bytes.byteLength * at));
      else flipInFile(path as string, Math.floor((end as number) * at));
      return;
    case "drop":
      (drop as () => void)();
  }
}

function flip(bytes: Uint8Array, at: number): void {
  bytes[at] = (bytes[at] as number) ^ 0x40;
}

function flipInFile(path: string, at: number): void {
  const file = openSync(path, "r+");
  const one = new Uint8Array(1);
  readSync(file, one, 0, 1, at);
  flip(one, 0);
  writeSync(file, one, 0, 1, at);
  closeSync(file);
}
