// The terminal's text on its way to the prompt: line by line, nothing while a line runs, pasted chains as one line.

import { PassThrough } from "node:stream";
import type { ReadStream } from "node:tty";
import { expect, test } from "vitest";
import { PromptInput } from "../../../src/cli/shell/prompt-input.js";

function terminal() {
  const modes: boolean[] = [];
  const source = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (raw: boolean) => modes.push(raw) });
  const input = new PromptInput(source as unknown as ReadStream);
  const seen: string[] = [];
  input.setEncoding("utf8").on("data", (text: string) => seen.push(text));
  const settled = async () => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    return seen.splice(0);
  };
  return { source, input, modes, settled };
}

test("keys come as they are typed, pasted lines one by one", async () => {
  const { source, settled } = terminal();
  source.write("a");
  expect(await settled()).toEqual(["a"]);
  source.write("b\rc\r\nd\ne");
  expect(await settled()).toEqual(["b\r", "c\r\n", "d\n", "e"]);
});

test("nothing comes while a line runs, and the terminal makes signals of keys", async () => {
  const { source, input, modes, settled } = terminal();
  input.setRawMode(true);
  input.on("data", (text: string) => {
    if (text.startsWith("run")) input.hold();
  });
  source.write("run 1\rrun 2\r");
  source.write("x");
  expect(await settled()).toEqual(["run 1\r"]);
  expect(modes).toEqual([true, false]);
  input.release();
  expect(await settled()).toEqual(["run 2\r"]);
  input.release();
  expect(await settled()).toEqual(["x"]);
  expect(modes).toEqual([true, false, true, false, true]);
});

test("a raw mode that is asked for while a line runs comes after it", async () => {
  const { input, modes } = terminal();
  input.hold();
  input.setRawMode(true);
  expect(modes).toEqual([false]);
  input.release();
  expect(modes).toEqual([false, true]);
});

test("a chain that is pasted is one line; a command of the prompt is not part of one", async () => {
  const { source, settled } = terminal();
  source.write("a\r\n  .map(f)\n\t?.#x\r.help\r  .5\r");
  expect(await settled()).toEqual(["a.map(f)?.#x\r", ".help\r", "  .5\r"]);
});

test("the end comes after what was typed", async () => {
  const { source, input, settled } = terminal();
  input.hold();
  const ended = new Promise<void>((resolve) => input.once("end", resolve));
  source.end("last");
  expect(await settled()).toEqual([]);
  input.release();
  await ended;
  expect(await settled()).toEqual(["last"]);
});
