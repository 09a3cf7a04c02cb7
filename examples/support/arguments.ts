// The command line of an example: positional arguments and options with their defaults, --help made of them, and --master.
//
//   const { input, top, master } = readArguments({
//     name: "wordcount",
//     about: "Counts how often each word stands in text files.",
//     positionals: { input: { about: "text files", default: sample("king-james-bible.txt") } },
//     options: { top: { about: "how many words to print", default: 10 } },
//   });

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

interface Positional {
  readonly about: string;
  /** A text; null: it may be left out; undefined: it must be given. */
  readonly default?: string | null;
}

interface OptionSpec {
  readonly about: string;
  /** Its type says what the option takes: a number from 1 on, a text, or nothing (a flag, off by default). */
  readonly default: number | string | false;
}

interface Spec {
  readonly name: string;
  readonly about: string;
  readonly positionals?: Readonly<Record<string, Positional>>;
  readonly options?: Readonly<Record<string, OptionSpec>>;
  /** Arguments after the name. */
  readonly example?: string;
}

type PositionalValue<P extends Positional> = P extends { readonly default: null } ? string | null : string;
type OptionValue<D> = D extends number ? number : D extends false ? boolean : string;

type Values<S extends Spec> = {
  readonly [K in keyof S["positionals"]]: S["positionals"][K] extends Positional
    ? PositionalValue<S["positionals"][K]>
    : never;
} & {
  readonly [K in keyof S["options"]]: S["options"][K] extends OptionSpec
    ? OptionValue<S["options"][K]["default"]>
    : never;
} & { readonly master: string | undefined };

/** Ends the process after --help (code 0), and with a usage line (code 2) when the arguments cannot be read. */
export function readArguments<const S extends Spec>(spec: S): Values<S> {
  const { positionals = {}, options = {} } = spec;
  const types = Object.entries(options).map(
    ([name, one]) => [name, { type: one.default === false ? "boolean" : "string" }] as const,
  );
  try {
    const given = parseArgs({
      allowPositionals: true,
      options: { ...Object.fromEntries(types), master: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
    if (given.values.help === true) {
      console.log(helpOf(spec));
      process.exit(0);
    }
    const values: Record<string, unknown> = { master: given.values.master };
    for (const [at, [name, one]] of Object.entries(positionals).entries()) {
      const value = given.positionals[at] ?? one.default;
      if (value === undefined) throw new Error(`<${name}> is missing: ${one.about}`);
      values[name] = value;
    }
    const extra = given.positionals[Object.keys(positionals).length];
    if (extra !== undefined) throw new Error(`nothing is known of the argument ${extra}`);
    for (const [name, one] of Object.entries(options))
      values[name] = read(name, (given.values as Readonly<Record<string, unknown>>)[name], one.default);
    return values as Values<S>;
  } catch (error) {
    console.error(`${spec.name}: ${(error as Error).message}\nusage: ${usageOf(spec)}`);
    process.exit(2);
  }
}

/** The path of a file of the sample data that comes with millrace. */
export function sample(name: string): string {
  return fileURLToPath(new URL(`../../data/${name}`, import.meta.url));
}

function read(name: string, given: unknown, fallback: number | string | false): number | string | boolean {
  if (given === undefined) return fallback;
  if (typeof fallback !== "number") return given as string | boolean;
  const number = Number(given);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new Error(`--${name} ${String(given)}: expected a whole number from 1 on`);
}

function usageOf({ name, positionals = {} }: Spec): string {
  const words = Object.entries(positionals).map(([one, { default: fallback }]) =>
    fallback === undefined ? `<${one}>` : `[${one}]`,
  );
  return ["millrace example", name, "[options]", ...words].join(" ");
}

function helpOf(spec: Spec): string {
  const { name, about, positionals = {}, options = {}, example } = spec;
  const rows = [
    ...Object.entries(positionals).map(([one, { about: what, default: fallback }]) => {
      const shown = fallback === null || fallback === undefined ? "" : ` (default: ${fallback})`;
      return [one, `${what}${shown}`];
    }),
    ...Object.entries(options).map(([one, { about: what, default: fallback }]) =>
      fallback === false ? [`--${one}`, what] : [`--${one} <value>`, `${what} (default: ${fallback})`],
    ),
    ["--master <url>", "where it runs: local[2], local-cluster[2,1,512m], millrace://host:port (default: local[*])"],
    ["-h, --help", "print this"],
  ] as const;
  const width = Math.max(...rows.map(([left]) => left!.length));
  return [
    `Usage: ${usageOf(spec)}\n\n${about}\n`,
    ...rows.map(([left, right]) => `  ${left!.padEnd(width)}  ${right}`),
    `\nExample:\n  millrace example ${[name, example].filter(Boolean).join(" ")}`,
  ].join("\n");
}
