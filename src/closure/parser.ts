// acorn and eslint-scope, loaded at the first capture (about 40 ms), never at import.

import { createRequire } from "node:module";
import type * as Acorn from "acorn";
import type * as EslintScope from "eslint-scope";

export interface ParserTools {
  readonly acorn: typeof Acorn;
  readonly scope: typeof EslintScope;
}
let tools: ParserTools | null = null;

export function parserTools(): ParserTools {
  const require = createRequire(import.meta.url);
  tools ??= { acorn: require("acorn"), scope: require("eslint-scope") };
  return tools;
}

export interface AstNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** Every child node, in no particular order. */
export function* childrenOf(node: AstNode): Generator<AstNode> {
  for (const key in node) {
    const value = node[key];
    if (Array.isArray(value)) {
      for (const one of value) if (isNode(one)) yield one;
    } else if (isNode(value)) yield value;
  }
}

function isNode(value: unknown): value is AstNode {
  return typeof value === "object" && value !== null && typeof (value as AstNode).type === "string";
}
