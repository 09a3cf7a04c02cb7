// `millrace status --watch`: asks the master again and again and shows what it says, in place on a terminal, as a line whenever
// something changed in a pipe, as a JSON document a line with --json. Ends with Ctrl-C, or with an error when the master goes.

import { setTimeout as sleep } from "node:timers/promises";
import type { MasterSnapshot } from "../master/snapshot.js";
import { formatLines, formatOneLine } from "./status-lines.js";

export interface WatchOptions {
  /** Asks the master; rejects when it does not answer. */
  ask(): Promise<MasterSnapshot>;
  readonly intervalMs: number;
  readonly json: boolean;
  readonly output: NodeJS.WriteStream;
  /** Aborted when the user has seen enough. */
  readonly signal: AbortSignal;
}

/** Resolves once the signal is aborted; what was shown last stays. */
export async function watchStatus({ ask, intervalMs, json, output, signal }: WatchOptions): Promise<void> {
  const screen = json || !output.isTTY ? null : await liveScreen(output);
  let last = "";
  try {
    while (!signal.aborted) {
      const snapshot = await ask();
      if (json) output.write(`${JSON.stringify(snapshot)}\n`);
      else if (screen !== null) screen.show(formatLines(snapshot, Date.now()));
      else {
        const line = formatOneLine(snapshot);
        if (line !== last) output.write(`${new Date().toISOString()} ${line}\n`);
        last = line;
      }
      await sleep(intervalMs, undefined, { signal }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  } finally {
    screen?.done();
  }
}

async function liveScreen(output: NodeJS.WriteStream) {
  const { createLogUpdate } = await import("log-update");
  const update = createLogUpdate(output);
  return {
    show(lines: readonly string[]): void {
      const { columns = 80, rows = 24 } = output;
      update(fitScreen(lines, columns, rows).join("\n"));
    },
    done: () => update.done(),
  };
}

/** What fits: a line that wraps, or more lines than the terminal has, could not be erased again. */
export function fitScreen(lines: readonly string[], columns: number, rows: number): string[] {
  const most = Math.max(1, rows - 1);
  const kept =
    lines.length <= most ? lines : [...lines.slice(0, most - 1), `... ${lines.length - most + 1} more lines`];
  return kept.map((line) => (line.length < columns ? line : `${line.slice(0, Math.max(0, columns - 4))}...`));
}
