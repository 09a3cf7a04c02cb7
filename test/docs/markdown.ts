// The code blocks of a page of docs/, as its reader sees them, and what the page says to its tests in comments that a reader
// does not see:
//
//   <!-- given              TypeScript that the blocks below may use: what a reader has from elsewhere
//   <!-- file logs/a.txt    a file that is there when the blocks run
//
// A fence's first word is its language; the words after it say what is done with the block.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

export interface CodeBlock {
  /** Of the block's first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  /** What follows the language in the fence. */
  readonly words: readonly string[];
  readonly code: string;
  /** The text block that follows with nothing but blank lines between: what the block prints. */
  readonly output: string | null;
}

export interface Page {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly CodeBlock[];
  readonly given: string;
  /** Name to content. */
  readonly files: Readonly<Record<string, string>>;
}

const FENCE = /^```(.*)$/;

export function readPage(path: string): Page {
  const text = readFileSync(join(root, path), "utf8");
  const hidden = [...text.matchAll(/^<!-- (given|file (\S+))\n([\s\S]*?)^-->$/gm)];
  return {
    path,
    text,
    blocks: blocksOf(path, text),
    given: hidden
      .filter(([, kind]) => kind === "given")
      .map(([, , , content]) => content)
      .join(""),
    files: Object.fromEntries(hidden.flatMap(([, , name, content]) => (name === undefined ? [] : [[name, content!]]))),
  };
}

function blocksOf(path: string, text: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const fence = FENCE.exec(lines[at]!);
    if (fence === null) continue;
    const end = lines.findIndex((line, index) => index > at && line === "```");
    if (end < 0) throw new Error(`${path}:${at + 1}: the code block does not end`);
    const [language = "", ...words] = fence[1]!.split(" ");
    const code = `${lines.slice(at + 1, end).join("\n")}\n`;
    blocks.push({ line: at + 2, language, words, code, output: outputAfter(lines, end) });
    at = end;
  }
  return blocks;
}

function outputAfter(lines: readonly string[], end: number): string | null {
  const next = lines.findIndex((line, index) => index > end && line !== "");
  if (next < 0 || lines[next] !== "```text") return null;
  const last = lines.findIndex((line, index) => index > next && line === "```");
  return `${lines.slice(next + 1, last).join("\n")}\n`;
}

/** A text as it stands in a page against what was printed: `...` stands for any text in a line, alone for any lines. */
export function expected(output: string): RegExp {
  const lines = output
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => {
      if (line.trim() === "...") return "(?:.*\\n)*?";
      const literal = line.split("...").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      return `${literal.join(".*")} *\\n`;
    });
  return new RegExp(lines.join(""));
}
