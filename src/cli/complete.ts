// What may stand at the cursor of a `millrace` command line: commands, options and values, all taken from the commands' own
// definitions. The shells' scripts (completion-scripts.ts) ask it and know nothing of millrace.

import type { Argument, Command, Option } from "commander";
import { optionNames, optionTable } from "../core/options.js";
import { examples } from "./examples.js";

export interface Candidate {
  readonly value: string;
  readonly about: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** The name of a file may stand there, too. */
  readonly files: boolean;
}

const nothing: Completion = { candidates: [], files: false };
const anyFile: Completion = { candidates: [], files: true };

const masters: readonly Candidate[] = [
  { value: "local", about: "one slot, on the calling thread" },
  { value: "local[*]", about: "a slot for each core, in this process" },
  { value: "local[2]", about: "2 slots in this process" },
  { value: "local-cluster[2,1,512m]", about: "2 worker processes of 1 slot and 512 MB" },
];
const remoteMaster: Candidate = { value: "millrace://127.0.0.1:7077", about: "a master that runs already" };

/** Values of options and arguments by their name; those that are not here have none that could be known. */
const values: Readonly<Record<string, (command: Command, word: string) => Completion>> = {
  master: (command) => ({
    candidates: ["run", "example", "config", "shell"].includes(command.name())
      ? [...masters, remoteMaster]
      : [remoteMaster],
    files: false,
  }),
  role: () => plain("core", "task"),
  conf: (_command, word) => confValues(word),
  host: () => plain("127.0.0.1", "0.0.0.0"),
  interval: () => plain("500ms", "1s", "5s"),
  timeout: () => plain("30s", "2min", "10min"),
  masterTimeout: () => plain("1min", "10min"),
  memory: () => plain("512m", "1g", "2g", "4g", "8g"),
  slots: () => plain("1", "2", "4", "8"),
  secretFile: () => anyFile,
  localDir: () => anyFile,
  eventLogDir: () => anyFile,
  tls: () => anyFile,
  out: () => anyFile,
  ca: () => anyFile,
  program: () => anyFile,
  args: () => anyFile,
};

/** `words`: what stands behind "millrace" and before the cursor's word, which is `current`, "" for one that is to begin. */
export function complete(program: Command, words: readonly string[], current: string): Completion {
  let command = program;
  let positionals = 0;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    const option = word.startsWith("-") ? optionOf(command, word) : undefined;
    if (option !== undefined) {
      if (!takesValue(option) || word.includes("=")) continue;
      if (at === words.length - 1) return startingWith(valuesOf(command, option, current), current);
      at++;
    } else if (!word.startsWith("-")) {
      const next: Command | undefined = positionals === 0 ? subcommand(command, word) : undefined;
      if (next !== undefined) command = next;
      else if (passesThrough(command, ++positionals)) return anyFile;
    }
  }
  const equals = /^(--[^=]+=)(.*)$/.exec(current);
  const assigned = equals === null ? undefined : optionOf(command, current);
  if (equals !== null && assigned !== undefined) {
    const [, head = "", tail = ""] = equals;
    const found = startingWith(valuesOf(command, assigned, tail), tail);
    return {
      ...found,
      candidates: found.candidates.map(({ value, about }) => ({ value: `${head}${value}`, about })),
    };
  }
  if (current.startsWith("-")) return startingWith({ candidates: optionsOf(command, words), files: false }, current);
  const names = positionals === 0 ? command.createHelp().visibleCommands(command).map(about) : [];
  const argument = argumentAt(command, positionals);
  const here = argument === undefined ? nothing : argumentValues(command, argument, current);
  return startingWith({ candidates: [...names, ...here.candidates], files: here.files }, current);
}

function argumentValues(command: Command, argument: Argument, word: string): Completion {
  if (argument.argChoices !== undefined) return plain(...argument.argChoices);
  if (command.name() === "example")
    return { candidates: examples.map(({ name, about }) => ({ value: name, about })), files: false };
  return values[argument.name()]?.(command, word) ?? nothing;
}

function valuesOf(command: Command, option: Option, word: string): Completion {
  if (option.argChoices !== undefined) return plain(...option.argChoices);
  return values[option.attributeName()]?.(command, word) ?? nothing;
}

/** Names of options, then values of one that has few: true or false, or "one of a, b, c". */
function confValues(word: string): Completion {
  const name = optionNames.find((one) => word.startsWith(`${one}=`));
  if (name === undefined)
    return {
      candidates: optionNames.map((one) => ({ value: `${one}=`, about: optionTable[one].help })),
      files: false,
    };
  const form: string = optionTable[name].form;
  const few = /^\w+(?:, \w+)* or \w+$/.test(form) ? form.split(/, | or /) : [];
  const found = name === "master" ? [...masters, remoteMaster].map(({ value }) => value) : few;
  return { candidates: found.map((value) => ({ value: `${name}=${value}`, about: "" })), files: false };
}

function startingWith({ candidates, files }: Completion, start: string): Completion {
  return { candidates: candidates.filter(({ value }) => value.startsWith(start)), files };
}

/** Without those that stand there already and cannot be given again. */
function optionsOf(command: Command, words: readonly string[]): Candidate[] {
  const given = new Set(words.map((word) => word.replace(/=.*/, "")));
  return command
    .createHelp()
    .visibleOptions(command)
    .filter(({ long, short, parseArg }) => parseArg !== undefined || !(given.has(long ?? "") || given.has(short ?? "")))
    .map(({ long, short, description }) => ({ value: long ?? short ?? "", about: description }));
}

function optionOf(command: Command, word: string): Option | undefined {
  const flag = word.replace(/=.*/, "");
  return command.options.find(({ long, short }) => long === flag || short === flag);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

function subcommand(command: Command, name: string): Command | undefined {
  return command.commands.find((one) => one.name() === name || one.aliases().includes(name));
}

/** Behind the program's name everything is the program's own: of that nothing is known but files. */
function passesThrough(command: Command, positionals: number): boolean {
  return positionals > 0 && command.registeredArguments.at(-1)?.name() === "args";
}

function argumentAt(command: Command, position: number): Argument | undefined {
  const known = command.registeredArguments;
  return known[position] ?? (known.at(-1)?.variadic ? known.at(-1) : undefined);
}

function about(command: Command): Candidate {
  return { value: command.name(), about: command.description() };
}

function plain(...known: readonly string[]): Completion {
  return { candidates: known.map((value) => ({ value, about: "" })), files: false };
}
