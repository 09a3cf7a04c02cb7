// A reduce task: its pairs, in the order of their keys, go to the reducer as lines; what that prints are the lines of the
// output. The identity reducer prints the pairs.

import { TASK_COUNTERS } from "../counters.js";
import { aggregated } from "./aggregate.js";
import { type Cut, cutPair, type Pair } from "./pairs.js";
import { TaskCommands, type TaskSetup } from "./task-commands.js";

export interface ReduceTask {
  readonly setup: TaskSetup;
  /** null: the identity. */
  readonly reducer: readonly string[] | "aggregate" | null;
  /** Between key and value on the reducer's stdin. */
  readonly input: string;
  readonly output: Cut;
  /** Between key and value in the output's files. */
  readonly written: string;
  /** Records are [[reducer, ...sort key], pair] instead of pairs. */
  readonly placed: boolean;
}

const BATCH_LINES = 1_000;

export function reduceTask(task: ReduceTask) {
  return async function* (
    _partition: number,
    records: Iterable<unknown>,
    signal: AbortSignal,
  ): AsyncGenerator<readonly string[], void, void> {
    const commands = new TaskCommands(task.setup, "reduce", signal);
    try {
      const counted = { inputs: 0, groups: 0, outputs: 0 };
      const pairs = inGroups(task, records, counted);
      const lines = linesOf(task, commands, pairs);
      for await (const batch of lines) {
        // A reducer that was given nothing has nothing to say: Hadoop drops what it prints.
        if (counted.inputs === 0) continue;
        counted.outputs += batch.length;
        yield batch;
      }
      const { counters } = commands;
      counters.add(TASK_COUNTERS, "Reduce input records", counted.inputs);
      counters.add(TASK_COUNTERS, "Reduce input groups", counted.groups);
      counters.add(TASK_COUNTERS, "Reduce output records", counted.outputs);
      counters.finish();
    } finally {
      commands.close();
    }
  };
}

/** The pairs, counted; keys that are equal to the comparator are one group. */
function* inGroups(
  task: ReduceTask,
  records: Iterable<unknown>,
  counted: { inputs: number; groups: number },
): Generator<Pair, void, void> {
  let before: string | null = null;
  for (const record of records) {
    const [place, value] = record as readonly [unknown, unknown];
    const group = task.placed ? JSON.stringify(place) : (place as string);
    counted.inputs++;
    if (group !== before) counted.groups++;
    before = group;
    yield task.placed ? (value as Pair) : (record as Pair);
  }
}

async function* reduceLines(
  task: ReduceTask,
  reducer: readonly string[],
  commands: TaskCommands,
  pairs: Iterable<Pair>,
): AsyncGenerator<readonly string[], void, void> {
  const texts = (function* () {
    for (const [key, value] of pairs) yield `${key}${task.input}${value}\n`;
  })();
  for await (const lines of commands.lines(reducer, texts)) yield lines.map((line) => writtenLine(line, task));
}

function linesOf(task: ReduceTask, commands: TaskCommands, pairs: Iterable<Pair>): AsyncIterable<readonly string[]> {
  const { reducer, written } = task;
  if (reducer === null) return inBatches(identity(pairs, written));
  if (reducer === "aggregate") return inBatches(aggregated(pairs, written));
  return reduceLines(task, reducer, commands, pairs);
}

function* identity(pairs: Iterable<Pair>, written: string): Generator<string, void, void> {
  for (const [key, value] of pairs) yield key + written + value;
}

async function* inBatches(lines: Iterable<string>): AsyncGenerator<readonly string[], void, void> {
  let batch: string[] = [];
  for (const line of lines) {
    if (batch.push(line) < BATCH_LINES) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** As TextOutputFormat writes it: a line without a value ends with the separator. */
export function writtenLine(
  line: string,
  { output, written }: { readonly output: Cut; readonly written: string },
): string {
  const [key, value] = cutPair(line, output);
  return key + written + value;
}
