// `millrace config`: every option with its value and where the value comes from, as a program started here would have it.

import { dirname, resolve } from "node:path";
import { readMachineLimits } from "../../core/machine-limits.js";
import { type MasterUrl, parseMasterUrl } from "../../core/master-url.js";
import {
  type OptionName,
  optionNames,
  optionTable,
  type ResolvedOptions,
  resolveOptions,
  variableOfOption,
} from "../../core/options.js";
import { formatBytes, formatDuration } from "../../core/sizes.js";
import { divisionOf } from "../../worker/memory-plan.js";
import type { ConfigFlags } from "../flags.js";
import { applyConf } from "./run.js";

export function config(program: string | undefined, flags: ConfigFlags): void {
  applyConf(flags.conf ?? []);
  if (flags.master !== undefined) process.env.MILLRACE_MASTER = flags.master;
  const programDirectory = program === undefined ? process.cwd() : dirname(resolve(program));
  const { values, origins } = resolveOptions({ environment: process.env, programDirectory });
  const limits = readMachineLimits();
  const flagged = new Map((flags.conf ?? []).map((pair) => [pair.split("=", 1)[0] as string, "--conf"]));
  if (flags.master !== undefined) flagged.set("master", "--master");
  const rows = optionNames.map((name) => ({
    name,
    value: values[name],
    from: flagged.get(name) ?? origins[name].source,
    default: optionTable[name].default(limits),
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
  process.stdout.write(`\n${formatDivision(values)}`);
}

/** How the memory of a worker is divided (docs/memory.md): of the master's own URL, or of a worker that is started here. */
function formatDivision(values: ResolvedOptions["values"]): string {
  const master = parseMasterUrl(values.master);
  const bytes = master.kind === "cluster" ? master.memoryBytes : values.memory;
  const slots = slotsOf(master);
  const given = values["memory.taskBytes"];
  const parts = divisionOf(bytes, slots, given).map(
    ({ part, what, bytes: size }) => `  ${part.padEnd(9)}  ${formatBytes(size).padStart(9)}  ${what}\n`,
  );
  const whose = master.kind === "local" || master.kind === "slots" ? "the driver's process" : "a worker";
  return `${formatBytes(bytes)} memory of ${whose} with ${slots} ${slots === 1 ? "slot" : "slots"}:\n${parts.join("")}`;
}

function slotsOf(master: MasterUrl): number {
  switch (master.kind) {
    case "local":
      return 1;
    case "cluster":
      return master.slots;
    case "slots":
      return master.slots === "all" ? readMachineLimits().slots : master.slots;
    case "remote":
      return readMachineLimits().slots;
  }
}

/** In the form in which the option is given. */
function showValue(name: OptionName, value: ResolvedOptions["values"][OptionName]): string {
  if (value === null) return "-";
  if (typeof value === "object") return JSON.stringify(value);
  const { form } = optionTable[name];
  if (typeof value !== "number") return String(value);
  if (form.startsWith("a size")) return formatBytes(value);
  return form.startsWith("a duration") ? formatDuration(value) : String(value);
}
