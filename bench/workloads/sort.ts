// Sort of records of 100 bytes by a key of 10, written out as files. Value: records, an order-free checksum of the lines, and
// that part files in the order of their names are in the order of the keys.

import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { SORT_KEY_BYTES } from "../data.js";
import type { Value, Workload } from "./workload.js";

const LINES_A_WRITE = 50_000;
const READ_BYTES = 4 * 1024 * 1024;

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
export function checkSorted(folder: string): Value & { readonly ordered: string } {
  const parts = readdirSync(folder)
    .filter((name) => name.startsWith("part-"))
    .sort()
    .map((name) => join(folder, name));
  let ordered = "yes";
  let record = 0;
  let last: Buffer = Buffer.alloc(0);
  const value = digestLines(parts, (key) => {
    if (Buffer.compare(last, key) > 0) ordered = `no, at record ${record}`;
    last = key;
    record++;
  });
  return { ...value, ordered };
}

/** Number and order-free checksum of the lines of files of any size; `onKey` is given each line's key. */
export function digestLines(paths: readonly string[], onKey: (key: Buffer) => void = () => undefined): Value {
  let records = 0;
  let checksum = 0;
  for (const path of paths) {
    const file = openSync(path, "r");
    let rest = Buffer.alloc(0);
    for (let last = false; !last; ) {
      const chunk = Buffer.allocUnsafe(READ_BYTES);
      const count = readSync(file, chunk);
      last = count === 0;
      const bytes = Buffer.concat([rest, chunk.subarray(0, count)]);
      let at = 0;
      while (at < bytes.length) {
        let end = bytes.indexOf(10, at);
        if (end < 0 && !last) break;
        if (end < 0) end = bytes.length;
        onKey(bytes.subarray(at, at + SORT_KEY_BYTES));
        let hash = 0x811c9dc5;
        for (let i = at; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
        checksum = (checksum + (hash >>> 0)) % 2 ** 48;
        records++;
        at = end + 1;
      }
      rest = bytes.subarray(at);
    }
    closeSync(file);
  }
  return { records, checksum: checksum.toString(16) };
}
