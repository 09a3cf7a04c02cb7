// Which version of each map output went into what: every simulated attempt tells what it read, and the end of a job asks
// whether all that its answer was made from agrees. Two runs of a map task are one version when they gave the same records.

import type { TaskKey } from "../../src/core/ids.js";
import { formatTaskKey } from "../../src/core/ids.js";
import type { Pair } from "./records.js";

/** Map outputs, as `outputName` spells them. */
export type Reads = ReadonlySet<string>;

interface Written {
  /** The same for all runs of one map task. */
  readonly place: string;
  readonly checksum: string;
  readonly reads: Reads;
}

export class Versions {
  readonly #outputs = new Map<string, Written>();
  readonly #attempts = new Map<string, Reads>();
  readonly #cached = new WeakMap<readonly Pair[], Reads>();

  wroteOutput(name: string, place: string, checksum: string, reads: Reads): void {
    this.#outputs.set(name, { place, checksum, reads });
  }

  /** The same bytes lie in another place too. */
  copied(from: string, to: string): void {
    this.#outputs.set(to, this.#outputs.get(from) as Written);
  }

  wroteCached(records: readonly Pair[], reads: Reads): void {
    this.#cached.set(records, reads);
  }

  readCached(records: readonly Pair[]): Reads {
    return this.#cached.get(records) ?? new Set();
  }

  ended(key: TaskKey, reads: Reads): void {
    this.#attempts.set(formatTaskKey(key), reads);
  }

  /** What is read in two versions by what these attempts gave. */
  mixed(contributors: Iterable<TaskKey>): string[] {
    const found = new Map<string, string>();
    const problems: string[] = [];
    const seen = new Set<string>();
    const stack = [...contributors].flatMap((key) => [...(this.#attempts.get(formatTaskKey(key)) ?? [])]);
    for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const { place, checksum, reads } = this.#outputs.get(name) as Written;
      const before = found.get(place);
      if (before !== undefined && before !== checksum) problems.push(`${place} was read in two versions`);
      found.set(place, checksum);
      stack.push(...reads);
    }
    return problems;
  }
}

/** FNV-1a over the records as text; "0" where there are none, as in the engine. */
export function checksumOf(parts: readonly (readonly Pair[])[]): string {
  if (parts.every((part) => part.length === 0)) return "0";
  let h = 0x811c9dc5;
  const text = JSON.stringify(parts);
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return String((h >>> 0) + 1);
}
