// Sort of records of 100 bytes by a key of 10, written out as files. Value: records, an order-free checksum of the lines, and
// that part files in the order of their names are in the order of the keys.

import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { SORT_KEY_BYTES } from "../data.js";
import type { Value, Workload } from "./workload.js";

const LINES_A_WRITE = 50_000;

export const sort: Workload = {
  title: "sort of 5 M records of 100 bytes, written out",
  input: "records",
  async run(session, { input, out }) {
    await session
      .textFile(input)
      .sortBy((line) => line.slice(0, 10))
      .saveAsTextFile(out);
    return () => checkSorted(out);
  },
  plain({ input, out }) {
    const lines = readFileSync(input, "latin1").split("\n");
    if (lines.at(-1) === "") lines.pop();
    lines.sort();
    mkdirSync(out);
    const file = openSync(join(out, "part-00000"), "w");
    for (let at = 0; at < lines.length; at += LINES_A_WRITE) {
      writeSync(file, `${lines.slice(at, at + LINES_A_WRITE).join("\n")}\n`, null, "latin1");
    }
    closeSync(file);
    return () => checkSorted(out);
  },
};

/** Reads every part file of `folder`, whichever engine wrote it. */
export function checkSorted(folder: string): Value {
  let records = 0;
  let checksum = 0;
  let ordered = "yes";
  let last = Buffer.alloc(0);
  const parts = readdirSync(folder)
    .filter((name) => name.startsWith("part-"))
    .sort();
  for (const part of parts) {
    const bytes = readFileSync(join(folder, part));
    for (let at = 0; at < bytes.length; ) {
      let end = bytes.indexOf(10, at);
      if (end < 0) end = bytes.length;
      const key = bytes.subarray(at, at + SORT_KEY_BYTES);
      if (Buffer.compare(last, key) > 0) ordered = `no, at record ${records}`;
      last = key;
      let hash = 0x811c9dc5;
      for (let i = at; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
      checksum = (checksum + (hash >>> 0)) % 2 ** 48;
      records++;
      at = end + 1;
    }
  }
  return { records, ordered, checksum: checksum.toString(16) };
}
