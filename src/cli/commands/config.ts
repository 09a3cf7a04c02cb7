// `millrace config`: every option with its value and where the value comes from, as a program started here would have it.

import { dirname, resolve } from "node:path";
import { type OptionName, optionNames, optionTable, resolveOptions, variableOfOption } from "../../core/options.js";
import { formatBytes, formatDuration } from "../../core/sizes.js";
import type { ConfigFlags } from "../flags.js";
import { applyConf } from "./run.js";

export function config(program: string | undefined, flags: ConfigFlags): void {
  applyConf(flags.conf ?? []);
  const programDirectory = program === undefined ? process.cwd() : dirname(resolve(program));
  const { values, origins } = resolveOptions({ environment: process.env, programDirectory });
  const flagged = new Set((flags.conf ?? []).map((pair) => variableOfOption(pair.split("=", 1)[0] as OptionName)));
  const rows = optionNames.map((name) => ({
    name,
    value: values[name],
    from: flagged.has(origins[name].source) ? "--conf" : origins[name].source,
    variable: variableOfOption(name),
    values: optionTable[name].form,
    help: optionTable[name].help,
  }));
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  const shown = rows.map(({ name, value, from }) => [name, showValue(name, value), from] as const);
  const width = (column: 0 | 1) => Math.max(...shown.map((row) => row[column].length));
  for (const [name, value, from] of shown)
    process.stdout.write(`${name.padEnd(width(0))}  ${value.padEnd(width(1))}  ${from}\n`);
}

/** In the form in which the option is given. */
function showValue(name: OptionName, value: string | number | boolean | null): string {
  if (value === null) return "-";
  const { form } = optionTable[name];
  if (typeof value !== "number") return String(value);
  if (form.startsWith("a size")) return formatBytes(value);
  return form.startsWith("a duration") ? formatDuration(value) : String(value);
}
