// `millrace shell` as a user sits before it, on a terminal that Python makes: typing, completion, tables, history, and a Ctrl-C
// that cancels a job and ends neither the shell nor its workers.

import { mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { cli, root } from "../../environments/project.js";
import { scratchDirectory } from "../../support/scratch.js";
import { hasTerminal, PROMPT, Terminal } from "../../support/terminal.js";

const folder = scratchDirectory();

async function openShell(master: string, home = folder, flags: readonly string[] = []): Promise<Terminal> {
  const env = { HOME: home, MILLRACE_EVENT_LOG_ENABLED: "false" };
  const shell = new Terminal([process.execPath, cli, "shell", "--master", master, ...flags], folder, env);
  expect(await shell.saw(PROMPT)).toContain(`on ${master}; \`session\` is open`);
  return shell;
}

describe.skipIf(!hasTerminal)("a shell (needs python3 for the terminal)", () => {
  test.each(["local[2]", "local-cluster[2,1,512m]"])(
    "runs lines, and Ctrl-C cancels a job, on %s",
    async (master) => {
      await using shell = await openShell(master);
      await shell.line("const factor: number = 3");
      await shell.line("class Visit { constructor(readonly n: number) {} }");
      await shell.line("const made = (n: number) => new Visit(n * factor)");
      expect(await shell.line("session.range(3).map(made)")).toMatch(
        /RDD \d+, map at <line 4>:1:18: 3 partitions\n> $/,
      );
      const table = await shell.line("_.collect()");
      expect(table).toContain("│ n │\n│ 0 │\n│ 3 │\n│ 6 │\n");
      expect(await shell.line("(await sc.range(2).map(made).collect())[1] instanceof Visit")).toContain("true\n");

      shell.type("session.range(8, undefined, 1, 8).map((n) => { for (;;) n++; }).count()\r");
      await shell.saw(/\[stage \d+\] .*\(2 running\)/);
      shell.type("\u0003");
      expect(await shell.saw(PROMPT)).toMatch(
        /JOB_CANCELLED: count was cancelled with all jobs of its session: Ctrl-C at the prompt\n +what to do: /,
      );
      // The same workers go on.
      expect(await shell.line("session.range(5).map((n) => n + 1).reduce((a, b) => a + b)")).toMatch(/\b15\n> $/);
      expect(await shell.line("await session.textFile('none.txt').count()")).toMatch(
        /PATH_NOT_FOUND: [\s\S]*what to do: Check the path/,
      );
      shell.type("\u0004");
      expect(await shell.ended()).toBe(0);
    },
    90_000,
  );

  test("interrupts a line that keeps the thread busy, and leaves one that waits", async () => {
    await using shell = await openShell("local[1]");
    // Not by console.log: V8's interruption may come inside of it, where Node loses it now and then.
    shell.type("require('node:fs').writeSync(1, 'busy\\n'); while (true) {}\r");
    await shell.saw(/\nbusy/);
    shell.type("\u0003");
    expect(await shell.saw(PROMPT)).toContain("interrupted\n");
    // After a first await: as a line gives up the thread, Node loses a signal of that very moment.
    shell.type("await null; console.log('waits'); await new Promise(() => {})\r");
    await shell.saw(/\nwaits/);
    shell.type("\u0003");
    expect(await shell.saw(PROMPT)).toContain("interrupted; what the line has begun may go on\n");
    // On an empty line, twice: the shell stays.
    for (const _ of [1, 2]) {
      shell.type("\u0003");
      expect(await shell.saw(PROMPT)).toContain("(Ctrl-D or .exit ends the shell)");
    }
    shell.type("const half =\r");
    await shell.saw(/\.\.\. $/);
    shell.type("\u0003");
    await shell.saw(PROMPT);
    expect(await shell.line("typeof half")).toContain("'undefined'");
    shell.type("setTimeout(() => { throw new Error('late'); }, 100), 1\r");
    expect(await shell.saw(/Error: late\n> $/)).toMatch(/\n1\n> /);
    await shell.line(".exit").catch(() => "");
    expect(await shell.ended()).toBe(0);
  }, 90_000);

  test("takes functions of several lines, pasted chains and what is typed ahead", async () => {
    await using shell = await openShell("local[1]");
    shell.type("function twice(n: number) {\r");
    await shell.saw(/\.\.\. $/);
    shell.type("  return n * 2;\r}\r");
    await shell.saw(PROMPT);
    shell.paste(
      "const words = session.parallelize(['a b', 'b'])\r  .flatMap((line) => line.split(' '))\r  .map((w) => [w, twice(1)] as const)\r",
    );
    await shell.saw(PROMPT);
    expect(await shell.line("words.reduceByKey((a, b) => a + b).sortByKey().collect()")).toMatch(
      /│ a +│ +2 │\n│ b +│ +4 │/,
    );
    shell.paste("await new Promise((done) => setTimeout(done, 300))\rconst later = 40\rlater + 2\r");
    await shell.saw(/\n42\n> $/);
  }, 90_000);

  test("says what docs/shell.md says that it does", async () => {
    const page = readFileSync(join(root, "docs/shell.md"), "utf8");
    const transcript = /```text\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
    const typed = [...transcript.matchAll(/^(?:>|\.\.\.) (.*)$/gm)].map(([, line = ""]) => line);
    expect(typed.length).toBeGreaterThan(10);
    await using shell = await openShell("local[2]", folder, ["--no-progress"]);
    let said = `${transcript.split("\n", 1)[0]}\n> `;
    for (const line of typed) {
      shell.type(`${line}\r`);
      said += await shell.saw(/\n(?:> |\.\.\. )$/);
    }
    expect(said.replaceAll(realpathSync(folder), "/home/ada")).toBe(`${transcript}> `);
  }, 90_000);

  test("completes names and methods, and keeps its history for its user alone", async () => {
    // A home of its own: shells that were left write theirs when they please.
    const home = join(folder, "home");
    const history = join(home, ".millrace", "shell_history");
    mkdirSync(dirname(history), { recursive: true });
    writeFileSync(history, "1 + 41\n", { mode: 0o644 });
    {
      await using shell = await openShell("local[1]", home);
      // Tab counts where it is the last key that has come.
      shell.type("sess");
      await shell.saw(/sess/);
      shell.type("\t");
      await shell.saw(/ion/);
      shell.type(".range(3).treeR");
      await shell.saw(/treeR/);
      shell.type("\t");
      await shell.saw(/educe/);
      shell.type("((a, b) => a + b)\r");
      await shell.saw(/\n3\n> $/);
      shell.type("session.range(2).mapP");
      await shell.saw(/mapP/);
      shell.type("\t");
      await shell.saw(/artitions/);
      shell.type("\t");
      await shell.saw(/mapPartitions +mapPartitionsWithIndex/);
      shell.type("\u0003");
      await shell.saw(PROMPT);
      // Two lines back: before this shell.
      shell.type("\u001b[A\u001b[A\r");
      await shell.saw(/\n42\n> $/);
      shell.type("\u0004");
      expect(await shell.ended()).toBe(0);
    }
    expect(statSync(history).mode & 0o777).toBe(0o600);
    const kept = ["1 + 41", "session.range(3).treeReduce((a, b) => a + b)", "1 + 41", ""];
    expect(readFileSync(history, "utf8").split("\n")).toEqual(kept);
  }, 90_000);
});
