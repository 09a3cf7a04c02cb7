// `millrace completion`, and the hidden command that its scripts ask. Both need the whole tree of commands.

import { Argument, type Command } from "commander";
import type { Shell } from "../completion-scripts.js";

/** As in completion-scripts.ts, which is loaded when it is asked for. */
const SHELLS: readonly Shell[] = ["bash", "zsh", "fish"];

export function defineCompletion(program: Command): void {
  program
    .command("completion")
    .description("Print the script that lets a shell complete commands, options and values.")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText(
      "after",
      `
Examples:
  source <(millrace completion bash)
  millrace completion bash > ~/.local/share/bash-completion/completions/millrace
  millrace completion zsh > "\${fpath[1]}/_millrace"
  millrace completion fish > ~/.config/fish/completions/millrace.fish`,
    )
    .action(async (shell: Shell) => {
      const { scripts } = await import("../completion-scripts.js");
      process.stdout.write(scripts[shell]);
    });

  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .helpOption(false)
    .action(async (words: string[]) => {
      const [{ complete }, { FILES_LINE }] = await Promise.all([
        import("../complete.js"),
        import("../completion-scripts.js"),
      ]);
      const { candidates, files } = complete(program, words.slice(0, -1), words.at(-1) ?? "");
      const lines = candidates.map(({ value, about }) => `${value}\t${about}`);
      process.stdout.write([...lines, ...(files ? [FILES_LINE] : []), ""].join("\n"));
    });
}
