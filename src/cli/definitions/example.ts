// `millrace example`: its arguments and help.

import type { Command } from "commander";
import { examples } from "../examples.js";
import type { ExampleFlags } from "../flags.js";
import {
  conf,
  jsonOption,
  noProgressOption,
  placeOption,
  secretFileOption,
  summaryOption,
  tlsOption,
} from "../shared-options.js";

export function defineExample(program: Command): void {
  const width = Math.max(...examples.map(({ name }) => name.length));
  program
    .command("example")
    .description("Run one of the example programs that come with millrace, or list them.")
    .argument("[name]", "the example (default: list them)")
    .argument("[args...]", "the example's own arguments and options; --help lists them")
    .addOption(placeOption())
    .addOption(conf())
    .addOption(secretFileOption())
    .addOption(tlsOption())
    .addOption(noProgressOption())
    .addOption(summaryOption())
    .addOption(jsonOption("print the list as one JSON document, with the files of the programs"))
    .passThroughOptions()
    .addHelpText(
      "after",
      `
What there is:
${examples.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`).join("\n")}

Example:
  millrace example wordcount
  millrace example --master local-cluster[2,1,512m] wordcount --top 3 'logs/*.txt'
  millrace example pagerank --help

Options before the name are millrace's, those behind it the example's; --master may stand at both places.`,
    )
    .action(async (name: string | undefined, args: string[], options: ExampleFlags) =>
      (await import("../commands/example.js")).example(name, args, options),
    );
}
