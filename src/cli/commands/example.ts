// `millrace example`: lists the programs of examples/, or runs one as `millrace run` would.

import { MillraceError } from "../../core/errors.js";
import { nearestName } from "../../core/options.js";
import { exampleFile, examples } from "../examples.js";
import type { ExampleFlags } from "../flags.js";
import { run } from "./run.js";

export async function example(name: string | undefined, args: readonly string[], flags: ExampleFlags): Promise<void> {
  if (name === undefined) return list(flags.json === true);
  if (flags.json === true)
    throw new MillraceError("INVALID_ARGUMENT", `--json is for the list of examples; ${name} prints text`, {
      fields: { name },
    });
  if (!examples.some((one) => one.name === name)) throw unknownExample(name);
  await run(exampleFile(name), args, flags);
}

function list(json: boolean): void {
  if (json) {
    const rows = examples.map((one) => ({ ...one, file: exampleFile(one.name) }));
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  const width = Math.max(...examples.map(({ name }) => name.length));
  for (const { name, about } of examples) process.stdout.write(`${name.padEnd(width)}  ${about}\n`);
  process.stdout.write(
    "\nmillrace example <name> --help has its arguments; without any it works on sample data (grep needs its pattern).\n",
  );
}

function unknownExample(name: string): MillraceError {
  const names = examples.map((one) => one.name);
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? `there are ${names.join(", ")}` : `did you mean ${nearest}?`;
  return new MillraceError("INVALID_ARGUMENT", `there is no example ${name}: ${hint}`, {
    fields: { name, nearest: nearest ?? null },
  });
}
