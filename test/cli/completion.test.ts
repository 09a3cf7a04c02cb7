// Completion as a shell asks for it, and as a user of bash sees it who presses Tab.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { optionNames } from "../../src/core/options.js";
import { cli, runNode } from "../environments/project.js";
import { watched } from "../support/cli.js";
import { scratchDirectory } from "../support/scratch.js";
import { hasTerminal, spawnOnTerminal } from "../support/terminal.js";

const TIMEOUT_MS = 90_000;
const folder = scratchDirectory();
const bin = join(folder, "bin");

beforeAll(() => {
  mkdirSync(bin);
  symlinkSync(cli, join(bin, "millrace"));
  writeFileSync(join(folder, "counts.ts"), "");
});

/** The candidates for the last word; ":files" among them where a file may stand. */
async function candidates(...words: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runNode([cli, "__complete", "--", ...words], { cwd: folder });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t")[0] as string);
}

test.each<[words: string[], expected: unknown]>([
  [[""], expect.arrayContaining(["run", "submit", "master", "worker", "status", "config", "kill", "example"])],
  [["sta"], ["status"]],
  [["worker", "de"], ["decommission"]],
  [
    ["worker", "decommission", "w1", "--t"],
    ["--timeout", "--tls"],
  ],
  [["status", "--json", "--j"], []],
  [["run", "--conf", "a=1", "--con"], ["--conf"]],
  [["run", "--master", "local-"], ["local-cluster[2,1,512m]"]],
  [["run", "--master=local-"], ["--master=local-cluster[2,1,512m]"]],
  [["status", "--master", ""], ["millrace://127.0.0.1:7077"]],
  [["shell", "--master=local-"], ["--master=local-cluster[2,1,512m]"]],
  [["run", "--conf", ""], optionNames.map((name) => `${name}=`)],
  [["run", "--conf", "log.level="], ["error", "warn", "info", "debug"].map((level) => `log.level=${level}`)],
  [["run", "--conf", "memory.watch=t"], ["memory.watch=true"]],
  [
    ["worker", "--role", ""],
    ["core", "task"],
  ],
  [
    ["completion", ""],
    ["bash", "zsh", "fish"],
  ],
  [
    ["example", "p"],
    ["pi", "pagerank"],
  ],
  [
    ["example", "--master", "local[2]", "p"],
    ["pi", "pagerank"],
  ],
  [["run", ""], [":files"]],
  [["run", "counts.ts", "--m"], [":files"]],
  [["status", "--secret-file", ""], [":files"]],
  [["nonsense", "x", ""], []],
])("%j", async (words, expected) => {
  expect(await candidates(...words)).toEqual(expected);
});

test("a shell that it does not know is refused with those that it knows", async () => {
  const { code, stderr } = await runNode([cli, "completion", "tcsh"], { cwd: folder });
  expect(code).toBe(1);
  expect(stderr).toMatch(/tcsh.*bash, zsh, fish/);
});

const has = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;
const hasBash = has("bash", "-c", "(($BASH_VERSINFO >= 4))");
const environment = { ...process.env, HOME: folder, PATH: `${bin}${delimiter}${process.env.PATH}` };

// Cuts the line into COMP_WORDS as bash does (at = and : too) and calls the function that `complete` has registered.
const DRIVER = `source <(millrace completion bash)
[[ $(complete -p millrace) =~ -F\\ ([^ ]+) ]] && function_=\${BASH_REMATCH[1]}
ask() {
  COMP_LINE=$1 COMP_POINT=\${#1} COMPREPLY=()
  local spaced=\${1//=/ = }; spaced=\${spaced//:/ : }
  read -ra COMP_WORDS <<< "$spaced"
  [[ $1 == *[[:space:]] ]] && COMP_WORDS+=("")
  COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
  $function_ 2> /dev/null
  printf '%s\\n' "\${COMPREPLY[@]}"; echo --
}
for line in "$@"; do ask "$line"; done`;

describe.skipIf(!hasBash)("bash", () => {
  test(
    "gets commands, options, values and files from the function that the script registers",
    async () => {
      const asked = {
        "millrace sta": ["status"],
        "millrace run --mas": ["--master"],
        // What stands before bash's last piece is bash's own.
        "millrace run --master=local-": ["local-cluster[2,1,512m]"],
        "millrace run --conf log.level=": ["error", "warn", "info", "debug"],
        "millrace status --master millrace:": ["//127.0.0.1:7077"],
        "millrace run coun": ["counts.ts"],
      };
      const child = spawn("bash", ["--norc", "-c", DRIVER, "bash", ...Object.keys(asked)], {
        cwd: folder,
        env: environment,
        stdio: ["ignore", "pipe", "inherit"],
        timeout: TIMEOUT_MS,
      });
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
      await once(child, "close");
      const answers = said
        .split("--\n")
        .slice(0, -1)
        .map((part) => part.trimEnd().split("\n"));
      expect(Object.fromEntries(Object.keys(asked).map((line, i) => [line, answers[i]]))).toEqual(asked);
    },
    TIMEOUT_MS,
  );

  test.skipIf(!hasTerminal)(
    "completes at the Tab of an interactive shell (needs python3 for the terminal)",
    async () => {
      const child = spawnOnTerminal(["bash", "--norc", "--noprofile", "-i"], {
        cwd: folder,
        env: { ...environment, TERM: "dumb", PS1: "> " },
        timeout: TIMEOUT_MS,
      });
      const { saw: seen, ended } = watched(child, "bash on a terminal");
      child.stdin.write("source <(millrace completion bash); echo rea''dy\n");
      await seen(/ready\r?\n/);
      child.stdin.write("millrace worker deco\t");
      await seen(/millrace worker decommission /);
      child.stdin.end("\u0015exit\n");
      await ended;
    },
    TIMEOUT_MS,
  );
});
