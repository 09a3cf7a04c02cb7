// Numbers of the command line, read strictly.

import { MillraceError } from "../core/errors.js";

/** A whole number in [least, most]; INVALID_OPTION names the flag otherwise. */
export function parseWhole(text: string, flag: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new MillraceError("INVALID_OPTION", `${flag} ${text}: expected a whole number from ${least} to ${most}`, {
    fields: { flag, value: text },
  });
}
