// The tasks of a stage, settled when it starts for the first time: then all that it reads is there, and what its maps said of it
// tells whether a join needs more tasks than it has partitions. What was settled for a shuffle holds for as long as its outputs:
// another job, or the same one after a loss, computes the rest of the very same maps.

import type { ShuffleId } from "../../core/ids.js";
import type { StageTask } from "../../plan/stages.js";
import type { SkewFinding } from "../../protocol/skew.js";
import type { Scheduling } from "./scheduling.js";
import { type ExchangeWeights, skewedPartitions, sliceJoin, weigh } from "./skew.js";
import type { StageRecord } from "./state.js";

/** Findings in a job's summary. */
const MAX_TOLD = 16;

/** Sets the record's plan, and what follows from its length; tells the skew of its inputs. */
export function planStage(shared: Scheduling, record: StageRecord): void {
  const { stage, job } = record;
  const { session } = job;
  const weights = weighInputs(record);
  const { shuffleOutput } = stage;
  const settled = shuffleOutput === null ? undefined : session.layouts.get(shuffleOutput);
  record.plan = settled ?? divide(record, weights) ?? stage.tasks;
  if (stage.join !== undefined && shuffleOutput !== null) {
    session.layouts.set(shuffleOutput, record.plan);
    session.outputs.resize(shuffleOutput, record.plan.length);
  }
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

/** Of every shuffle that the stage reads and whose maps have told of their records. */
function weighInputs({ stage, job }: StageRecord): ReadonlyMap<ShuffleId, ExchangeWeights> {
  const weights = new Map<ShuffleId, ExchangeWeights>();
  for (const shuffle of stage.shuffleInputs) {
    const outputs = job.session.outputs.outputs(shuffle);
    const weighed = outputs === null ? null : weigh(outputs);
    if (weighed !== null) weights.set(shuffle, weighed);
  }
  return weights;
}

function divide(
  { stage, job }: StageRecord,
  weights: ReadonlyMap<ShuffleId, ExchangeWeights>,
): readonly StageTask[] | null {
  if (stage.join === undefined) return null;
  const left = weights.get(stage.join.left);
  const right = weights.get(stage.join.right);
  if (left === undefined || right === undefined) return null;
  const slices = sliceJoin(stage.join, left, right, job.session.policy.skew);
  if (slices === null) return null;
  return slices.map((slice) => ({ ...(stage.tasks[slice.partition] as StageTask), slice }));
}

function findings(record: StageRecord, weights: ReadonlyMap<ShuffleId, ExchangeWeights>): SkewFinding[] {
  const { stage, job, plan } = record;
  return [...weights].flatMap(([shuffle, weighed]) => {
    const outputs = job.session.outputs.outputs(shuffle) ?? [];
    const name = job.graph.stages.find((one) => one.shuffleOutput === shuffle)?.name ?? stage.name;
    return skewedPartitions(outputs, weighed, job.session.policy.skew).map((skewed) => ({
      ...skewed,
      stage: stage.id,
      name,
      tasks:
        plan.filter(({ slice }) => slice?.partition === skewed.partition && slice.maps?.shuffle === shuffle).length ||
        1,
    }));
  });
}
