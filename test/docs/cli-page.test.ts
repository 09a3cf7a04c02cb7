// docs/cli.md has every command that there is, with an example, and no option that there is not.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { runCli } from "../support/cli.js";

const page = readFileSync(fileURLToPath(new URL("../../docs/cli.md", import.meta.url)), "utf8");

const TIMEOUT_MS = 120_000;
const asked = new Map<string, Promise<string[]>>();

/** What may stand behind the words; each question is a process, and is asked once. */
function candidates(...words: string[]): Promise<string[]> {
  const name = words.join(" ");
  const answer = asked.get(name) ?? ask(words);
  asked.set(name, answer);
  return answer;
}

async function ask(words: readonly string[]): Promise<string[]> {
  const { code, stdout } = await runCli(["__complete", "--", ...words]);
  expect(code).toBe(0);
  return stdout
    .split("\n")
    .map((line) => line.split("\t")[0] as string)
    .filter((value) => value !== "");
}

test(
  "every command is on the page, with an example",
  async () => {
    const commands = (await candidates("")).filter((name) => name !== "help");
    expect(commands.length).toBeGreaterThan(8);
    for (const name of commands) {
      expect(page, name).toMatch(new RegExp(`^## .*\\b${name}\\b`, "m"));
      expect(page, name).toMatch(new RegExp(`^\\$ (?:source <\\()?millrace ${name}\\b`, "m"));
    }
  },
  TIMEOUT_MS,
);

test(
  "every option in an example is one of its command",
  async () => {
    const examples = [...page.matchAll(/^\$ (?:source <\()?millrace ((?:worker )?\w+)(.*)$/gm)].map(
      ([, command = "", rest = ""]) => ({ command: command.split(" "), rest }),
    );
    expect(examples.length).toBeGreaterThan(12);
    for (const { command, rest } of examples) {
      // Behind the name of an example options are the example's.
      const own = command[0] === "example" ? rest.replace(/ (?:wordcount|pi)\b.*/, "") : rest;
      const worker = command[0] === "worker" && rest.startsWith(" decommission") ? ["worker", "decommission"] : command;
      const known = await candidates(...worker, "--");
      for (const [option] of own.matchAll(/--[\w-]+/g)) expect(known, `${command.join(" ")}${rest}`).toContain(option);
    }
  },
  TIMEOUT_MS,
);
