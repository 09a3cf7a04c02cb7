// Which version of each map output went into what: every attempt's reads are taken down while it runs, and the end of a job asks
// whether all that its answer was made from agrees. Two runs of a map task are one version when they gave the same records.

import { formatTaskKey, type NodeId, type SessionId, type TaskKey } from "../../src/core/ids.js";
import { unpack } from "../../src/core/packed.js";
import type { Fragment } from "../../src/plan/stages.js";
import type { CachedBlock, SlotOutcome, SlotRequest } from "../../src/worker/slot/messages.js";

interface Written {
  /** The same for all runs of one map task. */
  readonly place: string;
  readonly checksum: string;
  readonly reads: ReadonlySet<string>;
}

type Cached = Pick<CachedBlock, "node" | "partition" | "generation">;

export class Versions {
  readonly #outputs = new Map<string, Written>();
  readonly #attempts = new Map<string, ReadonlySet<string>>();
  /** By generation: all that compute a partition in one generation read the same versions. */
  readonly #cached = new Map<string, Set<string>>();

  /** An attempt has succeeded, over what `reads` names. `fragment`: what it ran. */
  succeeded(key: TaskKey, outcome: SlotOutcome, reads: ReadonlySet<string>, fragment: Uint8Array): void {
    if (outcome.kind !== "succeeded") return;
    const { session, stage, partition, attempt } = key;
    this.#attempts.set(formatTaskKey(key), reads);
    for (const { block } of outcome.offers) {
      const below = belowNode(unpack<Fragment>(fragment), block.node);
      const name = cachedName(session, block);
      const known = this.#cached.get(name) ?? new Set();
      for (const read of reads) if (below.has(ownerOf(read))) known.add(read);
      this.#cached.set(name, known);
    }
    if (outcome.result.kind !== "mapOutput") return;
    const { shuffle, output } = outcome.result;
    const place = `${session}/${shuffle}/${partition}`;
    const checksum = `${output.checksum}, ${output.records} records`;
    this.#outputs.set(`${session}/${shuffle}/${partition}-${stage}-${attempt}`, { place, checksum, reads });
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
      const written = this.#outputs.get(name);
      if (written === undefined) {
        stack.push(...(this.#cached.get(name) ?? []));
        continue;
      }
      const { place, checksum, reads } = written;
      const before = found.get(place);
      if (before !== undefined && before !== checksum)
        problems.push(`map output ${place} was read in two versions: ${before} and ${checksum}`);
      found.set(place, checksum);
      stack.push(...reads);
    }
    return problems;
  }
}

/** What a path on a worker's disk is, when it is a map output. */
export function outputAt(path: string): string | null {
  const found = /\/shuffle\/([^/]+\/\d+\/\d+-\d+-\d+)\.data$/.exec(path);
  return found?.[1] ?? null;
}

export function readsOf(request: SlotRequest): readonly string[] {
  switch (request.kind) {
    case "blocks": {
      const { session, shuffle, outputs } = request.request;
      return outputs.map(({ map, stage, attempt }) => `${session}/${shuffle}/${map}-${stage}-${attempt}`);
    }
    case "cached":
      return [cachedName(request.session, request)];
    case "blob":
      return [];
  }
}

export function cachedName(session: SessionId, { node, partition, generation = 0 }: Cached): string {
  return `${session}/node ${node}/${partition}, generation ${generation}`;
}

/** The shuffle or the node that a read is of, as `belowNode` spells it. */
function ownerOf(read: string): string {
  return read.split("/")[1] as string;
}

/** Shuffles and nodes that a node of a fragment is made from. */
function belowNode({ nodes }: Fragment, top: NodeId): ReadonlySet<string> {
  const below = new Set<string>();
  const stack = [top];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    for (const input of nodes.find(({ id }) => id === at)?.inputs ?? []) {
      const name = input.kind === "narrow" ? `node ${input.node}` : String(input.shuffle);
      if (below.has(name)) continue;
      below.add(name);
      if (input.kind === "narrow") stack.push(input.node);
    }
  }
  return below;
}
