// A page of documentation as something to run. A fenced block with `file=name` behind its language is a file; a block of `sh` is
// run in the directory of these files, and the `text` block that follows it is what it must print.

import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { cliEntry } from "../support/cli.js";

export interface Block {
  readonly language: string;
  /** null: no file. */
  readonly file: string | null;
  readonly text: string;
  /** Of the page, from 1. */
  readonly line: number;
}

const DEADLINE_MS = 50_000;

/** The fenced blocks of a page. Throws for a fence that is not closed. */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let open: { language: string; file: string | null; lines: string[]; line: number } | null = null;
  page.split("\n").forEach((line, i) => {
    if (open === null) {
      const [, language = "", file = null] = /^```(\w*)(?: +file=(\S+))?$/.exec(line) ?? [];
      if (line.startsWith("```")) open = { language, file, lines: [], line: i + 1 };
    } else if (line === "```") {
      const { language, file, lines, line: at } = open;
      blocks.push({ language, file, text: lines.map((one) => `${one}\n`).join(""), line: at });
      open = null;
    } else open.lines.push(line);
  });
  if (open !== null) throw new Error(`the block at line ${(open as Block).line} is not closed`);
  return blocks;
}

/** Each call with what it must print. Throws for a call without, and for a block that is neither file, call nor answer. */
export function callsOf(blocks: readonly Block[]): { readonly call: Block; readonly expected: string }[] {
  const used = new Set<Block>();
  const calls = blocks.flatMap((call, i) => {
    if (call.language !== "sh") return [];
    const answer = blocks[i + 1];
    if (answer?.language !== "text" || answer.file !== null)
      throw new Error(`the call at line ${call.line} is not followed by what it prints`);
    used.add(call).add(answer);
    return [{ call, expected: answer.text }];
  });
  const idle = blocks.find((block) => block.file === null && !used.has(block));
  if (idle !== undefined) throw new Error(`the block at line ${idle.line} is never run`);
  return calls;
}

/** Writes the page's files, and a `millrace` for its calls. */
export function writeFiles(directory: string, blocks: readonly Block[]): void {
  for (const { file, text } of blocks) {
    if (file === null) continue;
    const path = join(directory, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  const bin = join(directory, ".bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "millrace"), `#!/bin/sh\nexec '${process.execPath}' '${cliEntry}' "$@"\n`, { mode: 0o755 });
}

/** What a call prints on stdout. Rejects when it ends otherwise than with 0, with all that it said. */
export function runCall(directory: string, { text, line }: Block): Promise<string> {
  const { VITEST: _vitest, ...outer } = process.env;
  const child = spawn("sh", ["-e", "-c", text], {
    cwd: directory,
    timeout: DEADLINE_MS,
    killSignal: "SIGKILL",
    env: {
      ...outer,
      HOME: directory,
      NO_COLOR: "1",
      LC_ALL: "C",
      MILLRACE_MASTER: "local[2]",
      PATH: `${join(directory, ".bin")}${delimiter}${outer.PATH}`,
    },
  });
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream].setEncoding("utf8").on("data", (piece: string) => {
      said[stream] += piece;
    });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(said.stdout);
      else reject(new Error(`the call at line ${line} ended with ${code ?? signal}: ${said.stdout}${said.stderr}`));
    });
  });
}
