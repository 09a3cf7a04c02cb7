// Where a function's text begins in its script. V8 tells a place inside it (the parameter list, for most), so the text is
// looked for backwards from there.

import type { Inspected, ScriptInfo } from "./inspect.js";

export interface Place {
  readonly url: string;
  /** Of the first character of the function's text, from 0, as stacks and debuggers count. */
  readonly line: number;
  readonly column: number;
  /** In the script's source; -1 when it is not known. */
  readonly offset: number;
}

const lineStarts = new WeakMap<ScriptInfo, number[]>();

export function placeOf(text: string, { script, line, column }: Inspected): Place {
  if (script === null) return { url: "", line, column, offset: -1 };
  const starts = startsOf(script);
  const row = line - script.startLine;
  const inside = (starts[row] ?? 0) + column - (row === 0 ? script.startColumn : 0);
  const at = script.source.lastIndexOf(text, inside);
  if (at < 0 || at + text.length < inside) return { url: script.url, line, column, offset: -1 };
  let low = row;
  while (low > 0 && (starts[low] ?? 0) > at) low--;
  return {
    url: script.url,
    line: low + script.startLine,
    offset: at,
    column: at - (starts[low] ?? 0) + (low === 0 ? script.startColumn : 0),
  };
}

function startsOf(script: ScriptInfo): number[] {
  let starts = lineStarts.get(script);
  if (starts === undefined) {
    starts = [0];
    for (let i = script.source.indexOf("\n"); i >= 0; i = script.source.indexOf("\n", i + 1)) starts.push(i + 1);
    lineStarts.set(script, starts);
  }
  return starts;
}
