// A session's options compiled from where they may stand: Session.open beats MILLRACE_* variables, those beat millrace.json
// beside the program, that beats the defaults. Every value keeps its origin. A name that no option has is an error that
// names the nearest one; so is a value that cannot be read. Nothing here is written back to what the caller gave.

import { MillraceError } from "./errors.js";
import { type MachineLimits, readMachineLimits } from "./machine-limits.js";
import { nearestName } from "./nearest-name.js";
import { readOptionFile } from "./option-file.js";
import { isOptionName, type OptionName, type OptionValues, optionNames, optionTable } from "./option-table.js";

export { nearestName } from "./nearest-name.js";
export type { OptionName, OptionValues } from "./option-table.js";
export { optionNames, optionTable } from "./option-table.js";

/** What Session.open takes: any option by its name, as its own type or as a text. */
export type GivenOptions = { readonly [K in OptionName]?: OptionValues[K] | string | undefined };

export type OptionOrigin = "given" | "environment" | "file" | "default";

export interface ResolvedOptions {
  readonly values: OptionValues;
  /** Where each value came from: "default", "Session.open", "MILLRACE_MEMORY", or "path/millrace.json:3" with the line. */
  readonly origins: Readonly<Record<OptionName, { readonly kind: OptionOrigin; readonly source: string }>>;
}

export interface OptionSources {
  readonly given?: Readonly<Record<string, unknown>>;
  /** Default: none. The caller passes process.env. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where the program lies: millrace.json is looked for there. Default: no file is read. */
  readonly programDirectory?: string;
  /** Default: this machine's. */
  readonly limits?: MachineLimits;
}

/** Variables that are no options: secrets stay out of everything that lists options. */
const otherVariables: ReadonlySet<string> = new Set(["MILLRACE_SECRET"]);
/** Variables by which our own processes speak to each other. */
const internalPrefix = "MILLRACE_INTERNAL_";

export function resolveOptions(sources: OptionSources): ResolvedOptions {
  const limits = sources.limits ?? readMachineLimits();
  const found = new Map<OptionName, { value: unknown; kind: OptionOrigin; source: string }>();
  // The weakest first: later ones overwrite.
  const inFile = sources.programDirectory === undefined ? [] : readOptionFile(sources.programDirectory);
  for (const { name, value, place } of inFile)
    found.set(checkName(name, place), { value, kind: "file", source: place });
  for (const [variable, value] of Object.entries(sources.environment ?? {})) {
    const name = value === undefined ? null : optionOfVariable(variable);
    if (name !== null) found.set(name, { value, kind: "environment", source: variable });
  }
  for (const [name, value] of Object.entries(sources.given ?? {})) {
    if (value === undefined) continue;
    found.set(checkName(name, "Session.open"), { value, kind: "given", source: "Session.open" });
  }
  const values: Record<string, unknown> = {};
  const origins: Record<string, { kind: OptionOrigin; source: string }> = {};
  for (const name of optionNames) {
    const entry = found.get(name);
    const option = optionTable[name];
    const isNullable = option.default(limits) === null;
    values[name] =
      entry === undefined || (entry.value === null && isNullable)
        ? option.default(limits)
        : option.parse(entry.value, entry.kind === "given" ? `option ${name}` : `option ${name} from ${entry.source}`);
    origins[name] =
      entry === undefined ? { kind: "default", source: "default" } : { kind: entry.kind, source: entry.source };
  }
  return { values: values as OptionValues, origins: origins as ResolvedOptions["origins"] };
}

/** One `name=value` of a command line, checked; the value as its compiled form. */
export function parseOption(name: string, value: unknown, source: string): OptionValues[OptionName] {
  return optionTable[checkName(name, source)].parse(value, `option ${name} from ${source}`);
}

/** MILLRACE_TASK_MAX_FAILURES for task.maxFailures. */
export function variableOfOption(name: OptionName): string {
  return `MILLRACE_${name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replaceAll(".", "_")
    .toUpperCase()}`;
}

const OF_THIS_MACHINE: ReadonlySet<OptionName> = new Set(["secretFile", "localDir", "tls", "eventLog.dir"]);

/** Compiled options as they travel to master and workers: what is null or concerns the driver's machine alone stays here. */
export function toPortableOptions(values: OptionValues): Record<string, string | number | boolean> {
  const portable: Record<string, string | number | boolean> = {};
  for (const name of optionNames) {
    const value = values[name];
    if (value === null || OF_THIS_MACHINE.has(name)) continue;
    portable[name] = typeof value === "object" ? JSON.stringify(value) : value;
  }
  return portable;
}

/** The receiving side: what did not travel has this process's own default. Names of another version are an error. */
export function fromPortableOptions(
  portable: Readonly<Record<string, string | number | boolean>>,
  limits?: MachineLimits,
): OptionValues {
  return resolveOptions({ given: portable, ...(limits === undefined ? {} : { limits }) }).values;
}

function checkName(name: string, source: string): OptionName {
  if (isOptionName(name)) return name;
  throw unknownOption(name, source, nearestName(name, optionNames));
}

function optionOfVariable(variable: string): OptionName | null {
  if (!variable.startsWith("MILLRACE_") || variable.startsWith(internalPrefix) || otherVariables.has(variable))
    return null;
  const variables = optionNames.map(variableOfOption);
  const at = variables.indexOf(variable);
  if (at >= 0) return optionNames[at]!;
  throw unknownOption(variable, "the environment", nearestName(variable, variables));
}

function unknownOption(name: string, source: string, nearest: string | undefined): MillraceError {
  const hint = nearest === undefined ? "`millrace config` lists all" : `did you mean ${nearest}?`;
  return new MillraceError("UNKNOWN_OPTION", `${source} has the unknown option ${name}: ${hint}`, {
    fields: { name, source, nearest: nearest ?? null },
  });
}
