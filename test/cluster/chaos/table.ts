// What the suite shows at its end: a line a fault. Lines of a run go to the file that MILLRACE_INTERNAL_CHAOS_TABLE names
// (scripts/chaos.mjs sets it and prints the table); without it they are only checked.

import { appendFileSync } from "node:fs";

export interface Row {
  readonly fault: string;
  /** Spill, local reads and the like. */
  readonly setting: string;
  readonly fired: boolean;
  readonly equal: boolean;
  /** Tasks that succeeded more than once, and attempts that did not succeed. */
  readonly recomputed: number;
  readonly lost: number;
  /** null: there is no calm run to compare with. */
  readonly addedSeconds: number | null;
}

export function report(row: Row): void {
  const path = process.env.MILLRACE_INTERNAL_CHAOS_TABLE;
  if (path !== undefined) appendFileSync(path, `${JSON.stringify(row)}\n`);
}
