// A command beside a task: neither side is ever ahead of the other by more than what pipes hold, and nothing is left of it.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ChildCommand, runCommand } from "../../src/rdd/operations/child-command.js";
import { LineCutter } from "../../src/rdd/operations/line-cutter.js";
import { until } from "../support/cli.js";
import { scratchDirectory } from "../support/scratch.js";

const directory = scratchDirectory();
let files = 0;
const fresh = () => join(directory, `file-${++files}`);
const PIECE = Buffer.alloc(64 * 1024, "x\n");

function start(argv: readonly string[], input: Iterable<Uint8Array> = [], more: Partial<ChildCommand> = {}) {
  const abort = new AbortController();
  const command = { argv, env: {}, cwd: null, idleTimeoutMs: null, failsByCode: true, ...more };
  return { output: runCommand(command, input, abort.signal), abort };
}

async function textOf(output: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of output) pieces.push(piece);
  return Buffer.concat(pieces).toString("latin1");
}

/** Of /proc: S sleeps, R runs, Z is dead. "": there is no such process. */
function stateOf(pid: number): string {
  if (!existsSync(`/proc/${pid}/stat`)) return "";
  return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "";
}

async function pidIn(file: string): Promise<number> {
  await until("the command has said its number", () => existsSync(file) && readFileSync(file, "utf8").endsWith("\n"));
  return Number(readFileSync(file, "utf8"));
}

test("a command that does not read stops its input, also one that has no end", async () => {
  let given = 0;
  const endless = (function* () {
    for (;;) {
      given++;
      yield PIECE;
    }
  })();
  expect(await textOf(start(["head", "-c", "10"], endless).output)).toBe("x\n".repeat(5));
  expect(given).toBeLessThan(50);
});

test("a command whose output nobody takes waits, and goes when nobody wants it", async () => {
  const file = fresh();
  const { output } = start(["sh", "-c", `echo $$ > ${file}; exec yes`]);
  expect((await output.next()).done).toBe(false);
  const pid = await pidIn(file);
  await until("it waits for its reader", () => stateOf(pid) === "S");
  await output.return();
  await until("it is gone", () => ["", "Z"].includes(stateOf(pid)));
});

test("bytes go through as they are, however many", async () => {
  const pieces = Array.from({ length: 200 }, (_, i) =>
    Uint8Array.from({ length: 10_007 }, (_, at) => (at * (i + 1)) % 256),
  );
  expect(await textOf(start(["cat"], pieces).output)).toBe(Buffer.concat(pieces).toString("latin1"));
});

describe("failures", () => {
  test("an exit code, with the last words; one that is to be ignored", async () => {
    const argv = ["sh", "-c", "echo out; echo first >&2; echo last >&2; exit 41"];
    const lines: string[] = [];
    await expect(textOf(start(argv, [], { onErrorLine: (line) => lines.push(line) }).output)).rejects.toMatchObject({
      code: "COMMAND_FAILED",
      fields: { exitCode: 41, stderr: "first\nlast" },
    });
    expect(lines).toEqual(["first", "last"]);
    expect(await textOf(start(argv, [], { failsByCode: false }).output)).toBe("out\n");
  });

  test("a signal; a program that is not there; a file that is no program", async () => {
    await expect(textOf(start(["sh", "-c", "kill -9 $$"]).output)).rejects.toMatchObject({
      message: expect.stringContaining("was ended by SIGKILL"),
    });
    for (const program of ["no-such-program", "./no-such-program", "/etc/passwd"])
      await expect(textOf(start([program]).output)).rejects.toMatchObject({
        code: "COMMAND_FAILED",
        message: expect.stringContaining(`there is no program ${program}`),
      });
  });

  test("what the input throws is what is thrown, and the command is gone", async () => {
    const file = fresh();
    const input = (function* () {
      while (!existsSync(file)) yield PIECE;
      throw new RangeError("no more");
    })();
    const reads = ["sh", "-c", `echo $$ > ${file}; cat > /dev/null; exec sleep 100`];
    await expect(textOf(start(reads, input).output)).rejects.toThrow("no more");
    const pid = await pidIn(file);
    await until("it is gone", () => ["", "Z"].includes(stateOf(pid)));
  });

  test("an abort ends the command while it does nothing", async () => {
    const file = fresh();
    const { output, abort } = start(["sh", "-c", `echo $$ > ${file}; exec sleep 100`]);
    const failed = expect(textOf(output)).rejects.toMatchObject({ code: "TASK_CANCELLED" });
    await pidIn(file);
    abort.abort();
    await failed;
  });

  test("a command that does nothing for too long is ended; one that reports now and then is not", async () => {
    await expect(textOf(start(["sleep", "100"], [], { idleTimeoutMs: 200 }).output)).rejects.toMatchObject({
      code: "TIMEOUT",
      fields: { timeoutMs: 200 },
    });
    const alive = ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.6; echo alive >&2; done; echo done"];
    expect(await textOf(start(alive, [], { idleTimeoutMs: 5_000 }).output)).toBe("done\n");
  });
});

test("lines are the same however a text is cut into pieces", () => {
  const unit = fc.constantFrom("a", "b", "\n", "\r\n", "\r", "é");
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 60 }), fc.array(fc.nat({ max: 5 })), (units, sizes) => {
      const text = units.join("");
      const cutter = new LineCutter();
      const lines: string[] = [];
      let at = 0;
      for (const size of [...sizes, text.length]) {
        lines.push(...cutter.push(text.slice(at, at + size)));
        at = Math.min(text.length, at + size);
      }
      lines.push(...cutter.end());
      const expected = text.split("\n").map((line, i, all) => (i < all.length - 1 ? line.replace(/\r$/, "") : line));
      if (expected.at(-1) === "") expected.pop();
      expect(lines).toEqual(expected);
    }),
  );
});
