// The tasks of a stage, settled when it starts: then all that it reads is there, and what its maps said of it tells whether a
// join is made in parts. How a join is made is settled once and holds for as long as its two shuffles: another job, or the same
// one after a loss, makes it in the very same way, so a shuffle that is made of it keeps its maps.

import type { ShuffleId } from "../../core/ids.js";
import type { JoinInputs, JoinParts } from "../../plan/skew.js";
import type { SkewFinding } from "../../protocol/skew.js";
import type { Scheduling } from "./scheduling.js";
import { cutJoin, type ExchangeWeights, skewedPartitions, sliceTasks, weigh } from "./skew.js";
import type { SessionRecord, StageRecord } from "./state.js";

/** Findings in a job's summary. */
const MAX_TOLD = 16;

/** Sets the record's plan, and what follows from its length; tells the skew of its inputs at the first start. */
export function planStage(shared: Scheduling, record: StageRecord): void {
  const { stage, job } = record;
  const first = record.tasks.length === 0;
  // Where parts are not tasks, a stage that found its input in the cache may have started before the join could be settled.
  if (!first && stage.join?.divisible !== false) return;
  const { session } = job;
  const weights = weighInputs(record);
  if (stage.join !== undefined) {
    const parts = settledParts(session, stage.join, weights);
    if (parts !== null) record.plan = sliceTasks(stage.tasks, parts, stage.join.divisible);
  }
  if (!first) return;
  if (stage.shuffleOutput !== null) session.outputs.resize(stage.shuffleOutput, record.plan.length);
  if (record === job.result && record.plan.length !== stage.tasks.length) job.window?.resize(record.plan.length);
  if (stage.kind === "value") record.missingValues = record.plan.length;
  record.skew = findings(record, weights);
  for (const finding of record.skew) {
    const known = job.skew.some(({ name, partition }) => name === finding.name && partition === finding.partition);
    // Bounds of a range are sampled by a stage that reads the same.
    if (!known && job.skew.length < MAX_TOLD) job.skew.push(finding);
  }
  if (record.skew.length === 0 && record.plan.length === stage.tasks.length) return;
  shared.ports.emit({
    kind: "stagePlanned",
    session: session.id,
    job: job.id,
    stage: stage.id,
    tasks: record.plan.length,
    skew: record.skew,
  });
}

/** The shuffle is gone: what is made of its number later is another one. */
export function forgetJoins(session: SessionRecord, shuffle: ShuffleId): void {
  const kept = session.joins.filter(({ left, right }) => left !== shuffle && right !== shuffle);
  session.joins.splice(0, session.joins.length, ...kept);
}

/** Of every shuffle that the stage reads, that is whole, and whose maps have told of their records. */
function weighInputs({ stage, job }: StageRecord): ReadonlyMap<ShuffleId, ExchangeWeights> {
  const weights = new Map<ShuffleId, ExchangeWeights>();
  for (const shuffle of stage.shuffleInputs) {
    const outputs = job.session.outputs.outputs(shuffle);
    const weighed = outputs === null ? null : weigh(outputs);
    if (weighed !== null) weights.set(shuffle, weighed);
  }
  return weights;
}

/** null: not settled, and cannot be now. */
function settledParts(
  session: SessionRecord,
  join: JoinInputs,
  weights: ReadonlyMap<ShuffleId, ExchangeWeights>,
): readonly (JoinParts | null)[] | null {
  const { left, right } = join;
  const known = session.joins.find((one) => one.left === left && one.right === right);
  if (known !== undefined) return known.parts;
  const leftWeights = weights.get(left);
  const rightWeights = weights.get(right);
  if (leftWeights === undefined || rightWeights === undefined) return null;
  const parts = cutJoin(join, leftWeights, rightWeights, session.policy.skew);
  session.joins.push({ left, right, parts });
  return parts;
}

function findings(record: StageRecord, weights: ReadonlyMap<ShuffleId, ExchangeWeights>): SkewFinding[] {
  const { stage, job, plan } = record;
  return [...weights].flatMap(([shuffle, weighed]) => {
    const outputs = job.session.outputs.outputs(shuffle) ?? [];
    const name = job.graph.stages.find((one) => one.shuffleOutput === shuffle)?.name ?? stage.name;
    return skewedPartitions(outputs, weighed, job.session.policy.skew).map((skewed): SkewFinding => {
      const own = plan.filter(({ slice }) => slice?.partition === skewed.partition && slice.parts?.shuffle === shuffle);
      return { ...skewed, stage: stage.id, name, tasks: Math.max(1, own.length) };
    });
  });
}
