// The command line as a user meets it: help with examples, suggestions for what is misspelt, options and where they come
// from, arguments and exit codes, and a progress bar on a terminal alone.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { cli, root, runNode } from "../environments/project.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";

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
    const commands = ["run", "submit", "shell", "master", "worker", "status", "config"];
    for (const command of commands) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
      const help = await millrace([command, "--help"]);
      expect(help.code).toBe(0);
      expect(help.stdout).toContain(`Usage: millrace ${command}`);
      expect(help.stdout).toMatch(/\nExamples?:\n {2}.*millrace /);
    }
  });

  test("--version is package.json's", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(await millrace(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });
});

test.each([
  [["rnu", "x.ts"], /unknown command 'rnu'\s+\(Did you mean run\?\)/],
  [["run", "--mastr", "local", "x.ts"], /unknown option '--mastr'\s+\(Did you mean --master\?\)/],
  [["run", "--conf", "task.maxFailurs=2", "echo.ts"], /UNKNOWN_OPTION.*did you mean task\.maxFailures\?/],
  [["run", "--conf", "memory", "echo.ts"], /INVALID_OPTION: --conf memory: expected name=value/],
  [["run", "missing.ts"], /PATH_NOT_FOUND: there is no program missing\.ts/],
  [["shell", "--rows", "0", "-e", "1"], /INVALID_OPTION: --rows 0: expected a number from 1/],
  [["shell", "-e", "const x = ;"], /SyntaxError: Unexpected ";" \(<line 1>:1:11\)/],
  [["shell", "--master", "local", "-e", "throw new RangeError('mine')"], /RangeError: mine\n\s+at \S+<line 1>:1:7/],
  [["submit", "echo.ts"], /required option '--master <url>'/],
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
    expect(stdout).toMatch(/^task\.maxFailures +3 +\S+millrace\.json$/m);
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
      from: join(folder, "millrace.json"),
      variable: "MILLRACE_TASK_MAX_FAILURES",
      values: expect.any(String),
      help: expect.any(String),
    });
  });
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

// A terminal is made by Python's pty module: Node has none.
const hasPython = spawnSync("python3", ["-c", "import pty"]).status === 0;
test.skipIf(!hasPython)(
  "a progress bar on a terminal, gone at the end (needs python3 for the terminal)",
  async () => {
    const script = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    const sized = 'stty rows 40 cols 160; exec "$0" "$1" run slow.ts';
    const child = spawn("python3", ["-c", script, "sh", "-c", sized, process.execPath, cli], {
      cwd: folder,
      env: { ...process.env, HOME: folder, TERM: "xterm", MILLRACE_EVENT_LOG_ENABLED: "false" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let shown = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
    });
    const [code] = await once(child, "close");
    expect(code).toBe(0);
    expect(shown).toMatch(/\[stage \d+\] .*slow\.ts:4:\d+.* \[=*>? +\] [1-7]\/8 \(1 running\)/);
    // The bar's line is erased before the program's own output.
    const own = shown.slice(shown.lastIndexOf("[stage"));
    expect(own.indexOf("\u001b[2K")).toBeGreaterThan(0);
    expect(own.slice(own.lastIndexOf("\u001b[2K"))).toContain("8");
  },
  TIMEOUT_MS,
);
