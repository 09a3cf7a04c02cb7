import { beforeEach, expect, test } from "vitest";
import { stageId } from "../../src/core/ids.js";
import { TaskLogPrinter } from "../../src/session/task-log.js";

let written: string[];
let now: number;
let printer: TaskLogPrinter;
const print = (text: string) => printer.print({ kind: "log", stage: stageId(3), partition: 1, stream: "stdout", text });

beforeEach(() => {
  written = [];
  now = 0;
  printer = new TaskLogPrinter(
    (text) => written.push(text),
    () => now,
  );
});

test("a line names stage and partition", () => {
  print("hello\n");
  print("world");
  expect(written).toEqual(["[3.1] hello\n", "[3.1] world\n"]);
});

test("above 1,000 lines a second only their number is told", () => {
  for (let i = 0; i < 1_500; i++) print("x");
  expect(written).toHaveLength(1_000);
  now = 1_001;
  print("next");
  expect(written.slice(1_000)).toEqual([
    "[millrace] 500 more lines of tasks in that second are not shown\n",
    "[3.1] next\n",
  ]);
});

test("flush tells what was left out, once", () => {
  for (let i = 0; i < 1_001; i++) print("x");
  printer.flush();
  printer.flush();
  expect(written.at(-1)).toContain("1 more lines");
  expect(written).toHaveLength(1_001);
});
