// Skew, from what map tasks said of their outputs: which partitions of an exchange are far larger than the others and by which
// key, and how a join's large partitions are divided among tasks. Pure, and from the data alone: weights are estimated from the
// records, so every master divides alike and the results of a program are the same everywhere.

import type { HotKey, JoinInputs, JoinParts } from "../../plan/skew.js";
import type { StageTask } from "../../plan/stages.js";
import type { MapOutput } from "../../protocol/tasks.js";

/** Options `join.skew.enabled`, `join.skew.factor`, `join.skew.threshold`. */
export interface SkewRule {
  /** Whether joins are divided; skew is told in any case. */
  readonly enabled: boolean;
  /** A partition is skewed when it is larger than so many times the median, and than `thresholdBytes`. */
  readonly factor: number;
  /** Also what one task of a divided partition reads about, where the median is not larger. */
  readonly thresholdBytes: number;
}

export const defaultSkewRule: SkewRule = { enabled: true, factor: 5, thresholdBytes: 64 * 2 ** 20 };

/** A key is told when it has so large a part of an exchange's records, and so many of them. */
const KEY_SHARE = 0.2;
const KEY_RECORDS = 100_000;
/** Of one exchange. */
const MAX_FINDINGS = 3;

/** What is known of an exchange whose maps are all done. */
export interface ExchangeWeights {
  /** Per map its weights by partition. */
  readonly byMap: readonly (readonly number[])[];
  readonly byPartition: Float64Array;
  readonly median: number;
}

export interface SkewedPartition {
  readonly partition: number;
  readonly bytes: number;
  readonly medianBytes: number;
  readonly key: string | null;
  readonly share: number;
}

/** null when the maps have not told: their records were combined. */
export function weigh(outputs: readonly MapOutput[]): ExchangeWeights | null {
  const byMap: (readonly number[])[] = [];
  for (const { weights } of outputs) {
    if (weights === undefined) return null;
    byMap.push(weights);
  }
  const byPartition = new Float64Array(byMap[0]?.length ?? 0);
  for (const weights of byMap) {
    for (let p = 0; p < byPartition.length; p++) byPartition[p] = (byPartition[p] as number) + (weights[p] as number);
  }
  // Of two in the middle the smaller: of two partitions, one may be skewed.
  const median = Float64Array.from(byPartition).sort()[(byPartition.length - 1) >> 1] ?? 0;
  return { byMap, byPartition, median };
}

/** The worst partitions, largest first. */
export function skewedPartitions(outputs: readonly MapOutput[], weights: ExchangeWeights, rule: SkewRule) {
  const records = outputs.reduce((sum, output) => sum + output.records, 0);
  const hottest = new Map<number, HotKey>();
  for (const hot of mergeHotKeys(outputs)) {
    if ((hottest.get(hot.partition)?.records ?? 0) < hot.records) hottest.set(hot.partition, hot);
  }
  const { byPartition, median } = weights;
  const found: SkewedPartition[] = [];
  for (let partition = 0; partition < byPartition.length; partition++) {
    const bytes = byPartition[partition] as number;
    const hot = hottest.get(partition);
    const share = hot === undefined || records === 0 ? 0 : Math.min(1, hot.records / records);
    const hasHotKey = share >= KEY_SHARE && (hot as HotKey).records >= KEY_RECORDS && bytes > 2 * median;
    if (!isSkewed(bytes, median, rule) && !hasHotKey) continue;
    found.push({ partition, bytes, medianBytes: median, key: hot?.key ?? null, share });
  }
  return found.sort((a, b) => b.bytes - a.bytes || a.partition - b.partition).slice(0, MAX_FINDINGS);
}

/**
 * For each partition of a join the parts that it is made in; null: in one. A part is a run of the larger side's map outputs, so
 * what one map output holds of a partition is never divided.
 */
export function cutJoin(
  { left, right }: JoinInputs,
  leftWeights: ExchangeWeights,
  rightWeights: ExchangeWeights,
  rule: SkewRule,
): (JoinParts | null)[] {
  const sides = [
    { shuffle: left, ...leftWeights },
    { shuffle: right, ...rightWeights },
  ];
  return Array.from(leftWeights.byPartition, (_, partition) => {
    if (!rule.enabled) return null;
    const bytesOf = (side: ExchangeWeights) => side.byPartition[partition] as number;
    const skewed = sides
      .filter((side) => isSkewed(bytesOf(side), side.median, rule))
      .sort((a, b) => bytesOf(b) - bytesOf(a));
    for (const side of skewed) {
      const parts = Math.ceil(bytesOf(side) / Math.max(1, rule.thresholdBytes, side.median));
      const weights = side.byMap.map((one) => one[partition] as number);
      const cuts = cutMaps(weights, parts);
      if (cuts.length > 2) return { shuffle: side.shuffle, cuts };
    }
    return null;
  });
}

/** Where at most `parts` runs of maps with about equal weight begin, none of them without any; the last entry is the end. */
export function cutMaps(weights: readonly number[], parts: number): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const cuts = [0];
  let before = 0;
  let sum = 0;
  for (let map = 0; map < weights.length; map++) {
    sum += weights[map] as number;
    const due = (total * cuts.length) / parts;
    if (sum < due || sum === before || sum === total || cuts.length === parts) continue;
    cuts.push(map + 1);
    before = sum;
  }
  return [...cuts, weights.length];
}

/** The tasks of a stage over such a join: one a part where the stage is `divisible`, else one a partition. */
export function sliceTasks(
  tasks: readonly StageTask[],
  joins: readonly (JoinParts | null)[],
  divisible: boolean,
): readonly StageTask[] {
  if (joins.every((parts) => parts === null)) return tasks;
  return tasks.flatMap((task): StageTask[] => {
    const { partition } = task;
    const parts = joins[partition] ?? null;
    if (parts === null || !divisible) return [{ ...task, slice: { partition, parts } }];
    const { shuffle, cuts } = parts;
    return cuts
      .slice(1)
      .map((to, i) => ({ ...task, slice: { partition, parts: { shuffle, cuts: [cuts[i] as number, to] } } }));
  });
}

function isSkewed(bytes: number, median: number, { factor, thresholdBytes }: SkewRule): boolean {
  return bytes > thresholdBytes && bytes > factor * median;
}

function mergeHotKeys(outputs: readonly MapOutput[]): Iterable<HotKey> {
  const merged = new Map<string, HotKey>();
  for (const { hotKeys = [] } of outputs) {
    for (const hot of hotKeys) {
      const name = `${hot.partition} ${hot.key}`;
      merged.set(name, { ...hot, records: hot.records + (merged.get(name)?.records ?? 0) });
    }
  }
  return merged.values();
}
