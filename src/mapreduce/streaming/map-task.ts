// A map task: the lines of its split go to the mapper, what that prints becomes pairs, which a combiner may make fewer. The
// identity mapper passes the input's own pairs on.

import { TASK_COUNTERS } from "../counters.js";
import { type Cut, cutPair, type Pair } from "./pairs.js";
import { TaskCommands, type TaskSetup } from "./task-commands.js";

export interface MapTask {
  readonly setup: TaskSetup;
  /** null: the identity. */
  readonly mapper: readonly string[] | null;
  readonly combiner: readonly string[] | null;
  readonly input: InputForm;
  readonly output: Cut;
  /** Between key and value on a combiner's stdin, and where its lines are cut. */
  readonly combinerInput: string;
  readonly combinerOutput: Cut;
}

/** What a line of the input is: its offset and the line, or a key and a value that `keyEnd` parts. */
export interface InputForm {
  readonly key: "offset" | "field";
  readonly keyEnd: string;
  /** Whether the mapper sees the key, and what parts it from the value. */
  readonly givesKey: boolean;
  readonly separator: string;
}

/** Characters of pairs that are combined at once: whatever memory there is, so that results repeat. */
const COMBINE_CHARACTERS = 16 * 1024 * 1024;
/** Of an identity mapper. */
const BATCH_PAIRS = 1_000;

export function mapTask(task: MapTask) {
  return async function* (
    _partition: number,
    records: Iterable<unknown>,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Pair[], void, void> {
    const commands = new TaskCommands(task.setup, "map", signal);
    try {
      const { counters } = commands;
      const lines = records as Iterable<string>;
      const mapped =
        task.mapper === null ? identity(task, commands, lines) : mapLines(task, task.mapper, commands, lines);
      let outputs = 0;
      const counted = async function* () {
        for await (const pairs of mapped) {
          outputs += pairs.length;
          yield pairs;
        }
        counters.add(TASK_COUNTERS, "Map output records", outputs);
      };
      yield* task.combiner === null ? counted() : combine(task, task.combiner, commands, counted());
      counters.finish();
    } finally {
      commands.close();
    }
  };
}

async function* mapLines(
  task: MapTask,
  mapper: readonly string[],
  commands: TaskCommands,
  records: Iterable<string>,
): AsyncGenerator<readonly Pair[], void, void> {
  const { key: kind, givesKey, separator } = task.input;
  let inputs = 0;
  const texts = function* (): Generator<string, void, void> {
    if (kind === "offset" && !givesKey) {
      for (const line of records) {
        inputs++;
        yield `${line}\n`;
      }
      return;
    }
    for (const [key, value] of inputPairs(task, commands, records)) {
      inputs++;
      yield givesKey ? `${key}${separator}${value}\n` : `${value}\n`;
    }
  };
  for await (const lines of commands.lines(mapper, texts())) yield lines.map((line) => cutPair(line, task.output));
  // Those that the mapper was given, should it have read fewer.
  commands.counters.add(TASK_COUNTERS, "Map input records", inputs);
}

async function* identity(
  task: MapTask,
  commands: TaskCommands,
  records: Iterable<string>,
): AsyncGenerator<readonly Pair[], void, void> {
  let pairs: Pair[] = [];
  let inputs = 0;
  for (const pair of inputPairs(task, commands, records)) {
    inputs++;
    if (pairs.push(pair) < BATCH_PAIRS) continue;
    yield pairs;
    pairs = [];
  }
  if (pairs.length > 0) yield pairs;
  commands.counters.add(TASK_COUNTERS, "Map input records", inputs);
}

/** `records` keep their line ends where the key is an offset. */
function* inputPairs(task: MapTask, commands: TaskCommands, records: Iterable<string>): Generator<Pair, void, void> {
  const { key, keyEnd } = task.input;
  if (key === "field") {
    for (const line of records) yield cutPair(line, { separator: keyEnd, fields: 1 });
    return;
  }
  let offset = commands.startOfInput;
  for (const line of records) {
    yield [String(offset), line.replace(/\r?\n$/, "")];
    offset += line.length;
  }
}

/** Pairs by the million characters, in the order of their keys, through the combiner. */
async function* combine(
  task: MapTask,
  combiner: readonly string[],
  commands: TaskCommands,
  mapped: AsyncIterable<readonly Pair[]>,
): AsyncGenerator<readonly Pair[], void, void> {
  let held: Pair[] = [];
  let characters = 0;
  const counted = { inputs: 0, outputs: 0 };
  const combined = async function* () {
    const pairs = held;
    held = [];
    characters = 0;
    counted.inputs += pairs.length;
    // Stable: equal keys stay in the mapper's order. Every character is a byte, so `<` is the order of bytes.
    pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    const texts = (function* () {
      for (const [key, value] of pairs) yield `${key}${task.combinerInput}${value}\n`;
    })();
    for await (const lines of commands.lines(combiner, texts)) {
      counted.outputs += lines.length;
      yield lines.map((line) => cutPair(line, task.combinerOutput));
    }
  };
  for await (const pairs of mapped) {
    for (const pair of pairs) {
      held.push(pair);
      characters += pair[0].length + pair[1].length;
      if (characters >= COMBINE_CHARACTERS) yield* combined();
    }
  }
  if (held.length > 0) yield* combined();
  commands.counters.add(TASK_COUNTERS, "Combine input records", counted.inputs);
  commands.counters.add(TASK_COUNTERS, "Combine output records", counted.outputs);
}
