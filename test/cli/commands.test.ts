// The command line as a user meets it: help with examples, suggestions for what is misspelt, options and where they come
// from, arguments and exit codes, and a progress bar on a terminal alone.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { cli, root, runNode } from "../environments/project.js";
import { watched } from "../support/cli.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";
import { hasTerminal, spawnOnTerminal } from "../support/terminal.js";

const TIMEOUT_MS = 60_000;
const folder = scratchDirectory();
const millrace = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  runNode([cli, ...args], { cwd: folder, env: { HOME: folder, ...env } });

beforeAll(() => {
  writeTree(folder, {
    "millrace.json": '{ "task": { "maxFailures": 3 } }',
    "echo.ts": "console.log(JSON.stringify(process.argv.slice(2)));\nprocess.exitCode = 9;\n",
    "fails.ts": "const cause: string = 'mine';\n\nthrow new RangeError(cause);\n",
    "slow.ts": `import { Session } from "millrace";
const session = await Session.open({ master: "local[1]" });
const wait = (n: number) => { const end = Date.now() + 150; while (Date.now() < end); return n; };
console.log(await session.range(0, 8, 1, 8).map(wait).count());
await session.stop();
`,
  });
});

describe("help", () => {
  test("names every command, and each command has examples", async () => {
    const { code, stdout } = await millrace(["--help"]);
    expect(code).toBe(0);
    const commands = [
      "run",
      "submit",
      "streaming",
      "shell",
      "master",
      "worker",
      "certs",
      "status",
      "config",
      "kill",
      "example",
    ];
    commands.push("completion");
    for (const command of commands) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
      const help = await millrace([command, "--help"]);
      expect(help.code).toBe(0);
      expect(help.stdout).toContain(`Usage: millrace ${command}`);
      expect(help.stdout).toMatch(/\nExamples?:\n {2}.*millrace /);
      // One sentence below the usage line.
      expect(help.stdout).toMatch(/^Usage: .*\n\n[A-Z][^.]*\.\n\n/);
    }
  });

  test("--version is package.json's", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(await millrace(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });
});

test.each([
  [["rnu", "x.ts"], /unknown command 'rnu'\s+\(Did you mean run\?\)/],
  [["worker", "decomission", "w1"], /unknown command 'decomission' of worker\n\(Did you mean decommission\?\)/],
  [["worker", "xyzzy"], /unknown command 'xyzzy' of worker; worker has decommission/],
  [["example", "--json", "pi"], /INVALID_ARGUMENT[\s\S]*--json is for the list/],
  [["xyzzy"], /unknown command 'xyzzy'\n {2}what to do: `millrace --help` lists the commands/],
  [["run", "--mastr", "local", "x.ts"], /unknown option '--mastr'\s+\(Did you mean --master\?\)/],
  [["run", "--conf", "task.maxFailurs=2", "echo.ts"], /UNKNOWN_OPTION.*did you mean task\.maxFailures\?/],
  [["run", "--conf", "memory", "echo.ts"], /INVALID_OPTION: --conf memory: expected name=value/],
  [["run", "missing.ts"], /PATH_NOT_FOUND: there is no program missing\.ts/],
  [["shell", "--rows", "0", "-e", "1"], /INVALID_OPTION: --rows 0: expected a number from 1/],
  [["shell", "-e", "const x = ;"], /SyntaxError: Unexpected ";" \(<line 1>:1:11\)/],
  [["shell", "--master", "local", "-e", "throw new RangeError('mine')"], /RangeError: mine\n\s+at \S+<line 1>:1:7/],
  [["submit", "echo.ts"], /required option '--master <url>'/],
  [
    ["kill", "s1"],
    /required option '--master <url>' not specified\n {2}what to do: Give --master, or set MILLRACE_MASTER\./,
  ],
  [["kill", "s1", "--master", "millrace://127.0.0.1:1", "--job", "two"], /INVALID_OPTION: --job two: expected a whole/],
  [["status", "--master", "millrace://127.0.0.1:1", "--interval", "5"], /--interval.*unit/],
  [["example", "wordcont"], /INVALID_ARGUMENT: there is no example wordcont: did you mean wordcount\?/],
  [["status", "--master", "local[2]"], /INVALID_MASTER_URL.*millrace:\/\/host:port/],
  [
    ["worker", "--master", "millrace://127.0.0.1:1", "--role", "boss"],
    /INVALID_OPTION: --role boss: expected core or task/,
  ],
])("%j is refused with what to do", async (args, message) => {
  const { code, stdout, stderr } = await millrace(args);
  expect(stderr).toMatch(message);
  expect(stdout).toBe("");
  expect(code).toBe(1);
});

describe("config", () => {
  test("shows each option with its value and its origin", async () => {
    const { code, stdout } = await millrace(["config", "--conf", "appName=mine"], { MILLRACE_MEMORY: "2g" });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^master +local\[\*\] +default$/m);
    expect(stdout).toMatch(/^appName +mine +--conf$/m);
    expect(stdout).toMatch(/^memory +2 GiB +MILLRACE_MEMORY$/m);
    expect(stdout).toMatch(/^task\.maxFailures +3 +\S+millrace\.json:1$/m);
  });

  test.each([
    ["local[4]", "512m", /512 MiB memory of the driver's process with 4 slots:/, ["128 MiB", "115.2 MiB", "115.2 MiB"]],
    ["local-cluster[3,2,2g]", "512m", /2 GiB memory of a worker with 2 slots:/, ["128 MiB", "576 MiB", "576 MiB"]],
    ["local", "256m", /256 MiB memory of the driver's process with 1 slot:/, ["128 MiB", "38.4 MiB", "38.4 MiB"]],
  ])("shows how memory is divided for %s", async (master, memory, head, sizes) => {
    const { stdout } = await millrace(["config"], { MILLRACE_MASTER: master, MILLRACE_MEMORY: memory });
    expect(stdout).toMatch(head);
    for (const [i, part] of ["process", "cache", "tasks"].entries())
      expect(stdout).toMatch(new RegExp(`^  ${part} +${sizes[i]}  \\w`, "m"));
    expect(stdout).toMatch(/^ {2}functions +[\d.]+ MiB {2}objects that your functions make/m);
  });

  test("--json has variables, forms and help too", async () => {
    const { stdout } = await millrace(["config", "--json", join(folder, "echo.ts")]);
    const rows = JSON.parse(stdout) as { name: string }[];
    expect(rows.find(({ name }) => name === "task.maxFailures")).toEqual({
      name: "task.maxFailures",
      value: 3,
      default: 4,
      from: `${join(folder, "millrace.json")}:1`,
      variable: "MILLRACE_TASK_MAX_FAILURES",
      values: expect.any(String),
      help: expect.any(String),
    });
  });
});

describe("JSON", () => {
  test.each([
    [
      ["status", "--json", "--master", "millrace://h:1", "--wach"],
      "INVALID_ARGUMENT",
      /unknown option '--wach' \(Did you mean --watch\?\)/,
    ],
    [["kill", "s1", "--json", "--master", "local"], "INVALID_MASTER_URL", /--master local: expected/],
    [["config", "--json", "--conf", "memroy=1g"], "UNKNOWN_OPTION", /did you mean memory\?/],
  ])("%j fails with one document on stderr", async (args, code, message) => {
    const ended = await millrace(args);
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    const { error } = JSON.parse(ended.stderr);
    expect(error).toEqual({
      code,
      message: expect.stringMatching(message),
      fields: expect.any(Object),
      cure: expect.any(String),
    });
  });

  test("a master that does not answer is told with its address and what to do", async () => {
    const secret = join(folder, "secret");
    writeTree(folder, { secret: "c2VjcmV0IG9mIHRoaXMgY2x1c3Rlcg-0123456789" });
    chmodSync(secret, 0o600);
    // Port 1 needs privileges that no test has: nothing listens there.
    const args = ["status", "--json", "--master", "millrace://127.0.0.1:1", "--secret-file", secret];
    const ended = await millrace(args);
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(ended.stderr)).toMatchObject({
      error: {
        code: "MASTER_UNREACHABLE",
        message: expect.stringContaining("127.0.0.1:1"),
        cure: expect.stringContaining("millrace master"),
      },
    });
  });
});

test("a reader that has enough ends a command without an error", async () => {
  const child = spawn(process.execPath, [cli, "config", "--json"], { env: { ...process.env, HOME: folder } });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

describe("run", () => {
  test("everything after the program's name is its own, and so is the exit code", async () => {
    const args = ["--master", "local", "--help", "-V", "--", "a b"];
    expect(await millrace(["run", "echo.ts", ...args])).toEqual({
      code: 9,
      stdout: `${JSON.stringify(args)}\n`,
      stderr: "",
    });
  });

  test("a program's own error is told with its own line, and the exit code is 1", async () => {
    const { code, stderr } = await millrace(["run", "fails.ts"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/RangeError: mine/);
    expect(stderr).toMatch(/fails\.ts:3:7/);
  });

  test("no progress bar in a pipe", async () => {
    expect(await millrace(["run", "slow.ts"])).toEqual({ code: 0, stdout: "8\n", stderr: "" });
  });
});

describe("shell", () => {
  const shell = (code: readonly string[], input = "") =>
    runNode([cli, "shell", "--master", "local[2]", ...code], {
      cwd: folder,
      env: { HOME: folder },
      input,
    });

  test("-e prints what the last expression gives, and nothing else", async () => {
    expect(await shell(["-e", "const n: number = 4; session.range(n).map((x) => x * n).collect()"])).toEqual({
      code: 0,
      stdout: "[ 0, 4, 8, 12 ]\n",
      stderr: "",
    });
    expect(await shell(["-e", "const n = 1"])).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("piped text is one program; the exit code is its own", async () => {
    const text =
      "const rows = await sc.range(3).map((x) => ({ x })).collect()\nconsole.log(rows.length)\nprocess.exitCode = 7\nrows\n";
    const { code, stdout } = await shell(["--rows", "1"], text);
    expect(stdout).toBe("3\n┌───┐\n│ x │\n│ 0 │\n└───┘\n... 2 more rows (.rows <n> shows so many)\n");
    expect(code).toBe(7);
  });
});

test.skipIf(!hasTerminal)(
  "a progress bar on a terminal, gone at the end (needs python3 for the terminal)",
  async () => {
    const child = spawnOnTerminal([process.execPath, cli, "run", "slow.ts"], {
      columns: 160,
      cwd: folder,
      env: { HOME: folder, MILLRACE_EVENT_LOG_ENABLED: "false" },
    });
    child.stdin.end();
    const { code, stdout: shown } = await watched(child, "millrace run on a terminal").ended;
    expect(code).toBe(0);
    expect(shown).toMatch(/\[stage \d+\] .*slow\.ts:4:\d+.* \[=*>? +\] [1-7]\/8 \(1 running\)/);
    // The bar's line is erased before the program's own output.
    const own = shown.slice(shown.lastIndexOf("[stage"));
    expect(own.indexOf("\u001b[2K")).toBeGreaterThan(0);
    expect(own.slice(own.lastIndexOf("\u001b[2K"))).toContain("8");
  },
  TIMEOUT_MS,
);
