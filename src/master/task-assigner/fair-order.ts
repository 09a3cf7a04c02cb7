// Who is served next of those that share slots fairly: Spark's FairSchedulingAlgorithm, rule by rule. Those below their least
// share come before the others; among them the one that has the smallest part of it, among the others the one with the fewest
// running attempts for its weight. Pure.

export interface FairShare {
  /** Breaks ties. */
  readonly name: string;
  readonly weight: number;
  readonly minShare: number;
  /** Attempts on workers now. */
  readonly running: number;
}

/** Below 0 when `a` is served before `b`. */
export function compareFair(a: FairShare, b: FairShare): number {
  const needyA = a.running < a.minShare;
  const needyB = b.running < b.minShare;
  if (needyA !== needyB) return needyA ? -1 : 1;
  const order = needyA
    ? a.running / Math.max(a.minShare, 1) - b.running / Math.max(b.minShare, 1)
    : a.running / a.weight - b.running / b.weight;
  if (order !== 0) return order;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
