// Range partitioning by sampling: keys drawn from every partition with the number of records they stand for, and the bounds
// that cut their weighted distribution into equal parts (Spark's RangePartitioner.determineBounds).

import { checkKey, compareKeys } from "../../codec/keys.js";
import { decodeStream } from "../../codec/stream.js";
import type { CallSite } from "../../plan/function.js";
import type { FragmentOutput } from "../../plan/stages.js";
import { chainMaybe } from "../batches.js";
import { compileChain, type SinkCode } from "../chain/chain-code.js";
import type { OpenChain } from "../chain/open-chain.js";
import { runChain, settleChain } from "../chain/settle.js";
import type { FragmentResult, MaybePromise, TaskContext } from "../task-context.js";
import { recordsResult } from "./action-output.js";

const keySink: SinkCode = {
  name: "keys",
  setup: "",
  record: null,
  pair: (k) => `env.add(${k});`,
};

/** Result: a stream of the number of records, then the drawn keys. */
export function runSampleKeys(
  chain: OpenChain,
  output: Extract<FragmentOutput, { kind: "sampleKeys" }>,
  site: CallSite,
  context: TaskContext,
): MaybePromise<FragmentResult> {
  const reservoir = new Reservoir(output.size, output.seed + context.partition);
  return chainMaybe(settleChain(chain.source, chain.operators, context), (settled) => {
    const runner = compileChain<Reservoir>(settled.operators, keySink, {
      partition: context.partition,
      sites: [...settled.operators.map((operator) => operator.site), site],
      checkCancelled: () => context.checkCancelled(),
      sink: reservoir,
    });
    return chainMaybe(runChain(settled, runner, context), () => {
      for (const key of reservoir.keys) checkKey(key, context.classes);
      return recordsResult([reservoir.seen, ...reservoir.keys], context);
    });
  });
}

/** Result: a stream of at most partitions - 1 rising keys. */
export function runRangeBounds(
  output: Extract<FragmentOutput, { kind: "rangeBounds" }>,
  context: TaskContext,
): FragmentResult {
  const candidates: WeightedKey[] = [];
  for (const bytes of context.value(output.of)) {
    const [seen, ...keys] = decodeStream(bytes, context.classes);
    const weight = (seen as number) / Math.max(1, keys.length);
    for (const key of keys) candidates.push({ key, weight });
  }
  return recordsResult(rangeBounds(candidates, output.partitions), context);
}

export interface WeightedKey {
  readonly key: unknown;
  /** Records that the key stands for. */
  readonly weight: number;
}

export function rangeBounds(candidates: readonly WeightedKey[], partitions: number): unknown[] {
  const ordered = [...candidates].sort((a, b) => compareKeys(a.key, b.key));
  const total = ordered.reduce((sum, { weight }) => sum + weight, 0);
  const step = total / partitions;
  const bounds: unknown[] = [];
  let reached = 0;
  let target = step;
  for (const { key, weight } of ordered) {
    if (bounds.length >= partitions - 1) break;
    reached += weight;
    if (reached < target) continue;
    // Equal keys cannot be parted: a bound is greater than the one before.
    if (bounds.length > 0 && compareKeys(key, bounds.at(-1)) <= 0) continue;
    bounds.push(key);
    target += step;
  }
  return bounds;
}

/** Algorithm R: every key seen has the same chance to be among those kept. */
class Reservoir {
  readonly keys: unknown[] = [];
  seen = 0;
  readonly #random: () => number;
  constructor(
    readonly size: number,
    seed: number,
  ) {
    this.#random = seededRandom(seed);
  }

  add(key: unknown): void {
    const at = this.seen++;
    if (at < this.size) {
      this.keys.push(key);
      return;
    }
    const place = Math.floor(this.#random() * (at + 1));
    if (place < this.size) this.keys[place] = key;
  }
}

/** Doubles in [0, 1) with 32 bits, the same everywhere for a seed (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
