// A stage graph as text that people can approve: stages with their edges, what a task reads and what becomes of it. Without
// positions, hashes and other things that change while the plan does not.

import { unpack } from "../../src/core/packed.js";
import type { CallSite, FunctionRef } from "../../src/plan/function.js";
import type { ActionSpec, Aggregator, Operator } from "../../src/plan/lineage.js";
import type {
  Fragment,
  FragmentInput,
  FragmentNode,
  FragmentOutput,
  Partitioner,
  Stage,
  StageGraph,
  StageTask,
} from "../../src/plan/stages.js";

export function planText(graph: StageGraph): string {
  const growth =
    graph.growth === null
      ? ""
      : `, stage ${graph.growth.stage} grows by ${graph.growth.factor} up to ${graph.growth.limit} records`;
  return [`job ${graph.job}: result stage ${graph.resultStage}${growth}`, ...graph.stages.map(stageText)].join("\n");
}

function stageText(stage: Stage): string {
  const { nodes, output } = unpack<Fragment>(stage.fragment);
  const list = (title: string, items: readonly unknown[]) =>
    items.length === 0 ? [] : [`  ${title}: ${items.join(", ")}`];
  const lines = [
    `stage ${stage.id} ${stage.kind} (${method(stage.callSite)}), ${count(stage.tasks.length, "task")}`,
    ...list("after stages", stage.parents),
    ...list("reads shuffles", stage.shuffleInputs),
    ...list("takes values of stages", stage.valueInputs),
    ...nodes.map((node) => `  ${nodeText(node)}`),
    `  -> ${outputText(output)}`,
    ...stage.tasks.flatMap(taskText),
  ];
  return lines.join("\n");
}

function nodeText(node: FragmentNode): string {
  const inputs = node.inputs.map(inputText).join(", ");
  const details = [
    node.operator === undefined ? "" : ` ${operatorText(node.operator)}`,
    node.aggregator === undefined ? "" : ` by ${aggregatorText(node.aggregator)}`,
    node.sort === undefined || node.sort === null ? "" : ` sorted ${node.sort}`,
    node.format === undefined ? "" : ` ${node.format.kind}`,
    node.offsets === undefined ? "" : ` offsets [${node.offsets.join(" ")}]`,
    node.storage === "NONE" ? "" : ` kept ${node.storage}`,
  ];
  const from = inputs === "" ? "" : ` <- ${inputs}`;
  return `#${node.id} ${node.kind}${details.join("")} (${method(node.callSite)}), ${count(node.partitions, "partition")}${from}`;
}

function inputText(input: FragmentInput): string {
  if (input.kind === "narrow") return `#${input.node}`;
  return `shuffle ${input.shuffle} of ${count(input.maps, "map")}${input.combined ? ", combined" : ""}`;
}

function operatorText(operator: Operator): string {
  return "fn" in operator ? `${operator.op} ${fnText(operator.fn)}` : operator.op;
}

function aggregatorText(aggregator: Aggregator): string {
  return aggregator.kind;
}

function outputText(output: FragmentOutput): string {
  switch (output.kind) {
    case "shuffle": {
      const combined = output.aggregator === null ? "" : `, combining by ${aggregatorText(output.aggregator)}`;
      return `shuffle ${output.shuffle}, ${partitionerText(output.partitioner)}${combined}, ${output.pairs ? "pairs" : "records"}`;
    }
    case "action":
      return `action ${actionText(output.action)}`;
    case "sampleKeys":
      return `sampleKeys, at most ${output.size}, seed ${output.seed}`;
    case "rangeBounds":
      return `rangeBounds of stage ${output.of} for ${count(output.partitions, "partition")}`;
  }
}

function actionText(action: ActionSpec): string {
  return action.kind === "collect" && action.limit !== null ? `collect up to ${action.limit}` : action.kind;
}

function partitionerText(partitioner: Partitioner): string {
  const { kind, partitions } = partitioner;
  const more =
    kind === "range"
      ? `, ${partitioner.ascending ? "ascending" : "descending"}, bounds of stage ${partitioner.bounds}`
      : "";
  return `${kind}(${partitions}${more})`;
}

/** What single tasks read of sources and cache; nothing for tasks that read shuffles alone. */
function taskText(task: StageTask): string[] {
  const splits = task.splits.map(({ node, partition }) => `#${node}[${partition}]`);
  const cached = task.cached.map(([node, partition]) => `#${node}[${partition}]`);
  if (splits.length + cached.length === 0) return [];
  const reads = splits.length === 0 ? "" : ` reads ${splits.join(" ")}`;
  return [
    `  task ${task.partition}${reads}${cached.length === 0 ? "" : `${reads === "" ? "" : ","} cache of ${cached.join(" ")}`}`,
  ];
}

function method(site: CallSite): string {
  return site.method;
}

function fnText(fn: FunctionRef): string {
  return fn.name === "" ? "fn" : fn.name;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
