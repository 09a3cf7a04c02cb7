// apache-arrow, loaded at its first use: it takes 80 ms, which programs without batches need not pay. Synchronously, because a
// slot does its work so. A user's own copy of the package may be another instance: its batches are known by their marks
// (`instanceof` of apache-arrow looks at symbols), not by their class.

import { createRequire } from "node:module";

export type Arrow = typeof import("apache-arrow");

let loaded: Arrow | null = null;

export function loadArrow(): Arrow {
  loaded ??= createRequire(import.meta.url)("apache-arrow") as Arrow;
  return loaded;
}
