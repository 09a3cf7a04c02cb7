// What the plain loops read: the lines of an ASCII file, and the pairs of numbers in them.

import { closeSync, openSync, readSync } from "node:fs";

const CHUNK_BYTES = 8 * 2 ** 20;

export function* lines(path: string): Generator<string> {
  const file = openSync(path, "r");
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let rest = "";
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
    const parts = (rest + chunk.toString("latin1", 0, read)).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  closeSync(file);
  if (rest !== "") yield rest;
}

/** A line of two numbers with a space between. Runs in tasks as well. */
export function pairOfNumbers(line: string): readonly [number, number] {
  const space = line.indexOf(" ");
  return [Number(line.slice(0, space)), Number(line.slice(space + 1))];
}
