// In place of node:crypto where names are made by chance: names that are the same in every run of a seed.

import { here } from "./runtime.js";

let made = 0;

/** At the start of every run. */
export function restartNames(): void {
  made = 0;
}

export function randomBytes(length: number): Buffer {
  const bytes = Buffer.alloc(Math.max(4, length));
  bytes.writeUInt32BE(++made * 7919, 0);
  return bytes.subarray(0, length);
}

export function randomUUID(): string {
  return `${here().name}-${++made}`;
}
