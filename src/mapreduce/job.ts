// Hadoop's map/reduce on RDDs: read, map, combine, partition, sort, group, reduce, write, with counters, side files and named
// outputs. One shuffle, sorted as it is moved, so that a secondary sort costs nothing more and nothing is held whole.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { MillraceError } from "../core/errors.js";
import type { JobSummary } from "../protocol/driver.js";
import { saveNamedOutputs } from "../rdd/named-outputs.js";
import { type ActionOptions, whenEnded } from "../rdd/operations/run-action.js";
import { RDD } from "../rdd/rdd.js";
import type { RddSession } from "../rdd/session.js";
import { invalidArgument, requirePartitions, requireSyncFunction, requireText } from "../session/arguments.js";
import { DriverTaskHandle } from "../session/task-handle.js";
import type { Shared, TaskContext, Written } from "./contexts.js";
import { type Counters, countersDefinition } from "./counters.js";
import { mapPhase, type Placement, type ReducePhase, type Routed, reducePhase } from "./phases.js";

/** A map/reduce job: `session.mapReduce` has an example. Only `input` and `map` are needed. */
export interface MapReduceSpec<T, K1, V1, K2, V2> {
  /** Paths of text files, whose lines are the records (as `session.textFile`), or an RDD. */
  readonly input: string | readonly string[] | RDD<T>;
  /** Called with each record; writes pairs by `context.write`. Synchronous, as all functions here. */
  readonly map?: (record: T, context: TaskContext<K1, V1>) => void;
  /**
   * In place of `map`, where a task has something to set up, to remember or to clean up: called once a task, gives what is
   * called with its records and at its end (Hadoop's Mapper with setup and cleanup).
   */
  readonly mapper?: (context: TaskContext<K1, V1>) => Mapper<T, K1, V1>;
  /** Called in map tasks with the pairs of a key so far, any number of times; writes pairs of the same types. */
  readonly combine?: (key: K1, values: Iterable<V1>, context: TaskContext<K1, V1>) => void;
  /** The reducer of a key, from 0 to reducers - 1. Default: by the hash of its group. */
  readonly partition?: (key: K1, reducers: number) => number;
  /** What pairs are ordered by within a reducer. Default: the key itself. */
  readonly sort?: (key: K1) => unknown;
  /** Keys that are equal in this go to one call of reduce. Default: the key itself. */
  readonly group?: (key: K1) => unknown;
  /**
   * Called once a group with its first key and its values in order, read once. Writes by `context.write`, or is a generator
   * function that yields pairs. Left out: pairs go on as they are.
   */
  readonly reduce?: (
    key: K1,
    values: Iterable<V1>,
    context: TaskContext<K2, V2>,
    // biome-ignore lint/suspicious/noConfusingVoidType: a function that only writes returns nothing.
  ) => Iterable<readonly [K2, V2]> | void;
  /** In place of `reduce`, once a task, as `mapper` is to `map`. */
  readonly reducer?: (context: TaskContext<K2, V2>) => Reducer<K1, V1, K2, V2>;
  /** Number of reducers. 0: what map writes is the output. Default: as many as there are map tasks. */
  readonly reducers?: number;
  /** Directory of part files, one a reducer: key, tab, value. Left out: the pairs come back in the result. */
  readonly output?: string;
  /** Names that `context.writeTo` may use: each is a directory below `output`, and appears together with it or not at all. */
  readonly outputs?: readonly string[];
  /** Side files that every task may read by `context.file(name)`: name to path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Cancels the job when aborted. */
  readonly signal?: AbortSignal;
}

/** What a job's `mapper` gives for one task: the functions may share variables of the call that made them. */
export interface Mapper<T, K1, V1> {
  /** Called with each record of the task. */
  map(record: T, context: TaskContext<K1, V1>): void;
  /** After the last record; may write. */
  cleanup?(context: TaskContext<K1, V1>): void;
}

/** What a job's `reducer` gives for one task: the functions may share variables of the call that made them. */
export interface Reducer<K1, V1, K2, V2> {
  /** Called once a group, as the job's `reduce`. */
  reduce(
    key: K1,
    values: Iterable<V1>,
    context: TaskContext<K2, V2>,
    // biome-ignore lint/suspicious/noConfusingVoidType: a function that only writes returns nothing.
  ): Iterable<readonly [K2, V2]> | void;
  /** After the last group; may write. */
  cleanup?(context: TaskContext<K2, V2>): void;
}

/** What a map/reduce job gives when it has ended. */
export interface MapReduceResult<K, V> {
  /** By group, then by name, the job's own and "Map-Reduce Framework": `counters["Map-Reduce Framework"]["Map input records"]`. */
  readonly counters: Counters;
  /** The pairs, reducer after reducer, where the job has no `output`. */
  readonly records: readonly (readonly [K, V])[] | null;
  /** Where the part files are, as it was given; null where the pairs are in `records`. */
  readonly output: string | null;
  /** Milliseconds from the call to the end, committing the output included. */
  readonly elapsedMs: number;
  /** Stages, tasks, failed attempts, bytes moved, and what ran where. */
  readonly summary: JobSummary | null;
}

export async function runMapReduce<T, K1, V1, K2, V2>(
  session: RddSession,
  spec: MapReduceSpec<T, K1, V1, K2, V2>,
): Promise<MapReduceResult<K2, V2>> {
  const started = performance.now();
  const { output, outputs } = checked(spec);
  const input = spec.input instanceof RDD ? spec.input : session.textFile(spec.input as string);
  const shared: Shared = {
    counters: session.accumulator("map/reduce counters", countersDefinition),
    files: session.broadcast(readFiles(spec.files ?? {})),
    outputs,
    task: new DriverTaskHandle(),
  };
  const reducers = spec.reducers ?? (await input.numPartitions());
  const placement: Placement | null =
    reducers === 0
      ? null
      : {
          reducers,
          partition: (spec.partition as Placement["partition"] | undefined) ?? null,
          sort: (spec.sort as Placement["sort"] | undefined) ?? null,
          group: (spec.group as Placement["group"] | undefined) ?? null,
        };
  const phase = mapPhase({
    mapper: (spec.mapper as never) ?? always({ map: spec.map as never }),
    combine: (spec.combine as never) ?? null,
    placement,
    shared,
  });
  const routed = (input as RDD<unknown>).mapPartitionsWithIndex<Routed>(phase);
  const written = placement === null ? routed.map<Written>(unrouted) : reduced(routed, placement, spec, shared);
  let summary: JobSummary | null = null;
  const options: ActionOptions = { signal: spec.signal, [whenEnded]: (known) => (summary = known) };
  try {
    let records: readonly (readonly [K2, V2])[] | null = null;
    if (output === null) records = (await written.map(pairOf).collect(options)) as (readonly [K2, V2])[];
    else if (outputs.length === 0) await written.map(pairOf).saveAsTextFile(output, options);
    else await saveNamedOutputs(written.map<readonly [string, unknown]>(named), output, outputs, options);
    const elapsedMs = performance.now() - started;
    return { counters: shared.counters.value, records, output, elapsedMs, summary };
  } finally {
    shared.files.destroy();
  }
}

function reduced<T, K1, V1, K2, V2>(
  routed: RDD<Routed>,
  placement: Placement,
  spec: MapReduceSpec<T, K1, V1, K2, V2>,
  shared: Shared,
): RDD<Written> {
  const sorted = routed.repartitionAndSortWithinPartitions({ partitions: placement.reducers, by: firstOf });
  const { reduce, reducer } = spec;
  if (reduce === undefined && reducer === undefined) return sorted.map<Written>(unrouted);
  const open = (reducer as ReducePhase["reducer"] | undefined) ?? always({ reduce: reduce as never });
  return sorted.mapPartitionsWithIndex<Written>(reducePhase({ reducer: open, group: placement.group, shared }));
}

function checked<T, K1, V1, K2, V2>(
  spec: MapReduceSpec<T, K1, V1, K2, V2>,
): {
  output: string | null;
  outputs: readonly string[];
} {
  const method = "mapReduce";
  if (typeof spec !== "object" || spec === null) throw invalidArgument(method, "job", "an object", spec);
  const { output, outputs = [], reducers } = spec;
  if ((spec.map === undefined) === (spec.mapper === undefined))
    throw invalidArgument(method, "map", "there, or mapper in its place", spec.map);
  if (spec.reduce !== undefined && spec.reducer !== undefined)
    throw invalidArgument(method, "reducer", "left out where there is a reduce function", spec.reducer);
  for (const name of ["map", "mapper", "combine", "partition", "sort", "group", "reduce", "reducer"] as const)
    if (spec[name] !== undefined) requireSyncFunction(method, name, spec[name]);
  if (reducers !== undefined && reducers !== 0) requirePartitions(method, "reducers", reducers);
  if (reducers === 0 && (spec.reduce ?? spec.reducer) !== undefined)
    throw invalidArgument(method, "reducers", "at least 1 where there is a reduce function", reducers);
  if (!Array.isArray(outputs) || outputs.some((name) => !/^(?!part-)[A-Za-z0-9-]+$/.test(String(name))))
    throw invalidArgument(
      method,
      "outputs",
      "names of letters, digits and hyphens that do not begin with part-",
      outputs,
    );
  if (new Set(outputs).size < outputs.length) throw invalidArgument(method, "outputs", "different names", outputs);
  if (outputs.length > 0 && output === undefined)
    throw invalidArgument(method, "output", "a directory where there are named outputs", output);
  return { output: output === undefined ? null : requireText(method, "output", output), outputs };
}

function readFiles(files: Readonly<Record<string, string>>): Record<string, Uint8Array> {
  const read: Record<string, Uint8Array> = {};
  for (const [name, path] of Object.entries(files)) {
    try {
      read[name] = Uint8Array.from(readFileSync(resolve(path)));
    } catch (error) {
      throw new MillraceError(
        "PATH_NOT_FOUND",
        `mapReduce: the side file ${name} cannot be read: ${(error as Error).message}`,
        {
          fields: { file: name, path },
          cause: error,
        },
      );
    }
  }
  return read;
}

const firstOf = ([reducer]: Routed[0]): number => reducer;
const unrouted = ([[, aside, at], [key, value]]: Routed): Written => [aside === 1 ? String(at) : "", key, value];
const pairOf = ([, key, value]: Written): readonly [unknown, unknown] => [key, value];
const named = ([output, key, value]: Written): readonly [string, unknown] => [output, [key, value]];

function always<T>(value: T): () => T {
  return () => value;
}
