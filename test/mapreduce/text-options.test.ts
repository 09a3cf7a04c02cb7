// Options of textFile and saveAsTextFile that map/reduce brought along: any bytes in and out, exact lines a partition.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sessions } from "../support/engine.js";

const engine = sessions();

test("bytes of any kind come back as they were, by latin1 both ways", async () => {
  const s = await engine.open("local[2]");
  const bytes = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i % 97 === 0 ? 10 : (i * 31) % 256)));
  const input = join(engine.directory, "bytes");
  writeFileSync(input, Buffer.concat([bytes, Buffer.from("\n")]));
  const lines = s.textFile(input, { encoding: "latin1", minPartitions: 3 });
  const output = join(engine.directory, "out");
  await lines.saveAsTextFile(output, { encoding: "latin1" });
  const parts = readdirSync(output).filter((name) => name.startsWith("part-"));
  expect(parts).toHaveLength(3);
  const written = Buffer.concat(parts.sort().map((name) => readFileSync(join(output, name))));
  // "\r\n" ends a line, too, and is written as "\n".
  expect(written.toString("latin1")).toBe(`${bytes.toString("latin1").replaceAll("\r\n", "\n")}\n`);
});

test("a character without a byte is refused, and so are options that cannot be", async () => {
  const s = await engine.open("local[2]");
  const output = join(engine.directory, "no");
  await expect(s.parallelize(["é", "日"], 1).saveAsTextFile(output, { encoding: "latin1" })).rejects.toMatchObject({
    message: expect.stringContaining("the character U+65E5, which has no byte in latin1"),
  });
  for (const options of [{ encoding: "utf-16" }, { keepEnds: 1 }, { linesPerPartition: 0 }, { minPartitions: 0 }, 0])
    expect(() => s.textFile("x", options as never)).toThrow(/textFile: .* must be/);
  expect(() => s.range(1).saveAsTextFile(output, { encoding: "ascii" } as never)).toThrow(/options.encoding must be/);
});
