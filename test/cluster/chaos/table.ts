// What the suite shows at its end: a line a fault. Lines of a run go to the file that MILLRACE_INTERNAL_CHAOS_TABLE names
// (scripts/chaos.mjs sets it and prints the table); without it they are only checked.

import { appendFileSync } from "node:fs";

export interface Row {
  readonly fault: string;
  /** Spill, local reads and the like. */
  readonly setting: string;
  readonly fired: boolean;
  /** "equal" to the calm run's, "other", or the code of the error that the job ended with. */
  readonly answer: string;
  /** Whether that is what may become of such a fault. */
  readonly good: boolean;
  /** Tasks that succeeded more than once, attempts that did not succeed, second attempts of slow tasks. */
  readonly recomputed: number;
  readonly lost: number;
  readonly copies: number;
  /** null: there is no calm run to compare with. */
  readonly addedSeconds: number | null;
}

export function outcomeOf(answer: string | Error, calm: string): string {
  if (answer === calm) return "equal";
  return answer instanceof Error ? ((answer as { code?: string }).code ?? answer.name) : "other";
}

export function report(row: Row): void {
  const path = process.env.MILLRACE_INTERNAL_CHAOS_TABLE;
  if (path !== undefined) appendFileSync(path, `${JSON.stringify(row)}\n`);
}
