// The RDD: an immutable, lazy, partitioned collection. Here are its transformations, their types and documentation; what a
// method does is a function in operations/. Nothing but an action (rdd-actions.ts) starts a job.

import type { RecordBatch, Table } from "apache-arrow";
import type { NodeHandle } from "../session/lineage-store.js";
import { type Dataset, datasetSession } from "./operand.js";
import { countApproxDistinctByKey } from "./operations/approx-distinct.js";
import { cogroup, join } from "./operations/cogroup.js";
import { aggregateByKey, combineByKey, groupByKey, reduceByKey } from "./operations/combine.js";
import { distinct } from "./operations/distinct.js";
import {
  coalesce,
  partitionBy,
  repartition,
  repartitionAndSortWithinPartitions,
  sortByKey,
} from "./operations/exchange.js";
import { filter } from "./operations/filter.js";
import { flatMap } from "./operations/flat-map.js";
import { glom } from "./operations/glom.js";
import { groupBy, intersection, outerJoin, subtract, subtractByKey } from "./operations/groups.js";
import { keyBy } from "./operations/key-by.js";
import { keys, values } from "./operations/keys.js";
import { map } from "./operations/map.js";
import { type MapBatchesOptions, mapBatches } from "./operations/map-batches.js";
import { mapPartitions, mapPartitionsWithIndex } from "./operations/map-partitions.js";
import { flatMapValues, mapValues } from "./operations/map-values.js";
import { type PipeOptions, pipe } from "./operations/pipe.js";
import { randomSplit, sample, sampleByKey } from "./operations/sampling.js";
import { cartesian, zip, zipPartitions, zipWithIndex } from "./operations/side-by-side.js";
import { sortBy } from "./operations/sort-by.js";
import { union } from "./operations/union.js";
import type { Partitioning } from "./partitioner.js";
import { type Pair, RddActions } from "./rdd-actions.js";

export type { Pair } from "./rdd-actions.js";
/** What mapPartitions gets, and may give, or an async iterable or a promise of it. */
export type PartitionResultOf<U> = Iterable<U> | AsyncIterable<U> | Promise<Iterable<U> | AsyncIterable<U>>;
/** What mapBatches takes back. */
export type BatchResult =
  | RecordBatch
  | Table
  | Iterable<RecordBatch | Table>
  | AsyncIterable<RecordBatch | Table>
  | Promise<RecordBatch | Table | Iterable<RecordBatch | Table>>;
/** A value, or a promise of it: what functions that may be async give. */
export type MaybePromiseOf<U> = U | Promise<U>;

/**
 * A partitioned collection of records of type T, described by how it is computed. Transformations give a new RDD at once and
 * run nothing; actions give a promise and run one job.
 *
 * Functions travel to workers with the variables they use. Those are read once, at the call of the transformation (Spark
 * reads them at the action), so an RDD never changes. Where the docs say that a function may be async, at most 16 calls a
 * task are in flight, the order of records is kept, and an AbortSignal is passed last.
 *
 * Errors of every method: INVALID_ARGUMENT for a bad argument, CAPTURE_FAILED for a variable that cannot travel, NESTED_RDD
 * for a function that uses an RDD or a Session, SESSION_STOPPED; all thrown at the call. Actions reject with JOB_FAILED (its
 * cause is the error that the user's function threw), JOB_CANCELLED, SESSION_STOPPED or MASTER_LOST.
 */
export class RDD<T> extends RddActions<T> {
  // Transformations of single records

  /**
   * One record for each record. A function that returns an array literal of two makes pairs; `map<number[]>(...)` says
   * otherwise. May be async.
   *
   * ```ts
   * const pairs = words.map((word) => [word, 1]);    // RDD<readonly [string, number]>
   * ```
   */
  map<K, V>(fn: (record: T, signal: AbortSignal) => MaybePromiseOf<readonly [K, V]>): RDD<readonly [K, V]>;
  map<U>(fn: (record: T, signal: AbortSignal) => U): RDD<Awaited<U>>;
  map(fn: unknown): RDD<unknown> {
    return this.#make(map(this.at("map"), fn));
  }

  /**
   * Any number of records for each record: `fn` returns an iterable (an array, a Set, a generator). A string is refused with
   * WRONG_SHAPE, because its characters are hardly ever meant. May be async.
   * E.g. `lines.flatMap((line) => line.split(" "))`.
   */
  flatMap<K, V>(
    fn: (record: T, signal: AbortSignal) => MaybePromiseOf<Iterable<readonly [K, V]>>,
  ): RDD<readonly [K, V]>;
  flatMap<U>(fn: (record: T, signal: AbortSignal) => MaybePromiseOf<Iterable<U>>): RDD<U>;
  flatMap(fn: unknown): RDD<unknown> {
    return this.#make(flatMap(this.at("flatMap"), fn));
  }

  /**
   * The records for which `predicate` is true; a type guard narrows T. Keeps the partitioning. May be async.
   * E.g. `words.filter((word) => word !== "")`.
   */
  filter<U extends T>(predicate: (record: T, signal: AbortSignal) => record is U): RDD<U>;
  filter(predicate: (record: T, signal: AbortSignal) => unknown): RDD<T>;
  filter(predicate: unknown): RDD<unknown> {
    return this.#make(filter(this.at("filter"), predicate));
  }

  /**
   * `fn` is called once a partition with all its records, to be read once, and returns the new ones: a generator function
   * keeps memory flat. May be async, or give an async iterable.
   * E.g. `numbers.mapPartitions(function* (records) { let sum = 0; for (const n of records) yield (sum += n); })`.
   *
   * @param preservesPartitioning true says that keys are not changed, so that a later join or reduceByKey needs no shuffle.
   */
  mapPartitions<K, V>(
    fn: (records: Iterable<T>, signal: AbortSignal) => PartitionResultOf<readonly [K, V]>,
    preservesPartitioning?: boolean,
  ): RDD<readonly [K, V]>;
  mapPartitions<U>(
    fn: (records: Iterable<T>, signal: AbortSignal) => PartitionResultOf<U>,
    preservesPartitioning?: boolean,
  ): RDD<U>;
  mapPartitions(fn: unknown, preservesPartitioning = false): RDD<unknown> {
    return this.#make(mapPartitions(this.at("mapPartitions"), fn, preservesPartitioning));
  }

  /**
   * As mapPartitions; `fn` gets the partition's number (from 0) first.
   * E.g. `words.mapPartitionsWithIndex((partition, records) => [[partition, [...records].length]])`.
   */
  mapPartitionsWithIndex<K, V>(
    fn: (partition: number, records: Iterable<T>, signal: AbortSignal) => PartitionResultOf<readonly [K, V]>,
    preservesPartitioning?: boolean,
  ): RDD<readonly [K, V]>;
  mapPartitionsWithIndex<U>(
    fn: (partition: number, records: Iterable<T>, signal: AbortSignal) => PartitionResultOf<U>,
    preservesPartitioning?: boolean,
  ): RDD<U>;
  mapPartitionsWithIndex(fn: unknown, preservesPartitioning = false): RDD<unknown> {
    return this.#make(mapPartitionsWithIndex(this.at("mapPartitionsWithIndex"), fn, preservesPartitioning));
  }

  /**
   * `fn` gets the records of a partition as Arrow record batches (package apache-arrow), one after the other, and gives a
   * RecordBatch, a Table, or several of these as an iterable; they become records again. For work on whole columns, and for
   * libraries that speak Arrow. May be async, or an async generator.
   *
   * Records are plain objects (columns by property) or tuples (columns "0", "1", ...) of numbers (Float64), bigints (Int64),
   * strings (Utf8), booleans, Dates (Timestamp in ms, UTC), bytes (Binary) and null; a missing or undefined property is null. The
   * columns are those of the partition's first batch unless `columns` names them. Back come objects, or tuples where all
   * columns are named by their places; lists and structs become arrays and objects, integers of 64 bits bigint.
   *
   * Fails with WRONG_SHAPE, which names record and column: for other records, a value of another kind than its column, a
   * property that the first batch did not have, an answer that is no batch, batches whose columns differ from each other's or in
   * length, and types that records cannot hold.
   *
   * ```ts
   * import { makeTable } from "apache-arrow";
   * const people = ages.map((age) => ({ age }));
   * const doubled = people.mapBatches<{ age: number }>((batch) => {
   *   const values = batch.getChild("age")!.toArray() as Float64Array;
   *   return makeTable({ age: values.map((age) => age * 2) });
   * }, { batchSize: 4096 });
   * ```
   */
  mapBatches<U = Record<string, unknown>>(
    fn: (batch: RecordBatch, signal: AbortSignal) => BatchResult,
    options?: MapBatchesOptions,
  ): RDD<U> {
    return this.#make(mapBatches(this.at("mapBatches"), fn, options));
  }

  /** [fn(record), record] for each record. May be async. E.g. `words.keyBy((word) => word.length)`. */
  keyBy<K>(fn: (record: T, signal: AbortSignal) => K): RDD<readonly [Awaited<K>, T]> {
    return this.#make(keyBy(this.at("keyBy"), fn));
  }

  /**
   * The records of this RDD and then those of the others, duplicates kept; partitions are lined up and none is moved, so nothing is
   * shuffled. Different types give their union type. E.g. `words.union(codes, lines)`.
   */
  union<U = T>(...others: readonly RDD<U>[]): RDD<T | U> {
    return this.#make(union(this.at("union"), others));
  }

  /**
   * Each different record once, equality by content (docs/programming-guide.md, Keys). Of equal records the first one stays, so the result
   * is the same on every run; its order is that of the partitions by hash. E.g. `words.distinct()`.
   *
   * @param partitions default: as many as this RDD has
   */
  distinct(partitions?: number): RDD<T> {
    return this.#make(distinct(this.at("distinct"), partitions));
  }

  /** One array a partition, of all its records. */
  glom(): RDD<T[]> {
    return this.#make(glom(this.at("glom")));
  }

  /**
   * [record, other record], first with first and so on. Both need as many partitions, and as many records in each:
   * PARTITIONS_DIFFER otherwise.
   */
  zip<U>(other: RDD<U>): RDD<readonly [T, U]> {
    return this.#make(zip(this.at("zip"), other));
  }

  /**
   * `fn` is called once for partition i of this RDD and of the others, with the records of each, and returns the new ones. All
   * have the same number of partitions (PARTITIONS_DIFFER otherwise), not of records. May be async.
   * E.g. `words.zipPartitions(numbers, (left, right) => [[...left].length - [...right].length])`.
   */
  zipPartitions<U, R>(
    other: RDD<U>,
    fn: (left: Iterable<T>, right: Iterable<U>, signal: AbortSignal) => PartitionResultOf<R>,
    preservesPartitioning?: boolean,
  ): RDD<R>;
  zipPartitions<U, V, R>(
    others: readonly [RDD<U>, RDD<V>],
    fn: (first: Iterable<T>, second: Iterable<U>, third: Iterable<V>, signal: AbortSignal) => PartitionResultOf<R>,
    preservesPartitioning?: boolean,
  ): RDD<R>;
  zipPartitions<U, V, W, R>(
    others: readonly [RDD<U>, RDD<V>, RDD<W>],
    fn: (
      first: Iterable<T>,
      second: Iterable<U>,
      third: Iterable<V>,
      fourth: Iterable<W>,
      signal: AbortSignal,
    ) => PartitionResultOf<R>,
    preservesPartitioning?: boolean,
  ): RDD<R>;
  zipPartitions(others: Dataset | readonly Dataset[], fn: unknown, preservesPartitioning = false): RDD<never> {
    const all = Array.isArray(others) ? (others as readonly Dataset[]) : [others as Dataset];
    return this.#make(zipPartitions(this.at("zipPartitions"), all, fn, preservesPartitioning));
  }

  /**
   * [record, its number] from 0 over all partitions in order. Partitions are counted first, by a stage of the action's job.
   * E.g. `lines.zipWithIndex().filter(([, index]) => index > 0)`.
   */
  zipWithIndex(): RDD<readonly [T, number]> {
    return this.#make(zipWithIndex(this.at("zipWithIndex"), false));
  }

  /**
   * [record, a number that no other has]: k * n + i for record k of partition i of n. Needs no counting.
   * E.g. `lines.zipWithUniqueId().map(([line, id]) => [id, line])`.
   */
  zipWithUniqueId(): RDD<readonly [T, number]> {
    return this.#make(zipWithIndex(this.at("zipWithUniqueId"), true));
  }

  /** Every record of this RDD with every one of the other, as [record, other record]. RDDs of n and m partitions give n times m. */
  cartesian<U>(other: RDD<U>): RDD<readonly [T, U]> {
    return this.#make(cartesian(this.at("cartesian"), other));
  }

  /**
   * The lines that a command of the system prints, started once a partition, with the records on its stdin: one line each,
   * printed as saveAsTextFile does. A command that ends with another code than 0 fails the task
   * (COMMAND_FAILED, with its exit code and last words on stderr). It and what it starts end with the task.
   *
   * ```ts
   * const long = lines.pipe(["awk", "length($0) > 80"]);
   * ```
   *
   * @param command a text is cut at white space (nothing is quoted); an array is the program and its arguments
   */
  pipe(command: string | readonly string[], options?: PipeOptions): RDD<string> {
    return this.#make(pipe(this.at("pipe"), command, options));
  }

  /** Each record that both RDDs have, once. E.g. `words.intersection(codes)`. */
  intersection(other: RDD<T>, partitions?: number): RDD<T> {
    return this.#make(intersection(this.at("intersection"), other, partitions));
  }

  /**
   * The records that `other` does not have; duplicates stay. E.g. `words.subtract(session.parallelize(["the", "a"]))`.
   */
  subtract(other: RDD<T>, partitions?: number): RDD<T> {
    return this.#make(subtract(this.at("subtract"), other, partitions));
  }

  /**
   * One pair for each value of fn(record), with the records that gave it. `fn` is synchronous.
   * E.g. `words.groupBy((word) => word.length)`.
   */
  groupBy<K>(fn: (record: T) => K, partitions?: Partitioning<K>): RDD<readonly [K, Iterable<T>]> {
    return this.#make(groupBy(this.at("groupBy"), fn, partitions));
  }

  /**
   * Each record with chance `fraction`; with replacement, copies whose number is Poisson's with that mean. Which records come
   * depends on the seed alone, not on the master or on retries. E.g. `lines.sample(false, 0.01, 42)`.
   *
   * @param seed an integer; default: by the RDD's place in the program, so that a run repeats
   */
  sample(withReplacement: boolean, fraction: number, seed?: number): RDD<T> {
    return this.#make(sample(this.at("sample"), withReplacement, fraction, seed));
  }

  /**
   * One RDD a weight; every record is in exactly one of them. Weights are divided by their sum. Seed as in `sample`.
   * E.g. `const [train, test] = lines.randomSplit([0.8, 0.2], 42)`.
   */
  randomSplit(weights: readonly number[], seed?: number): RDD<T>[] {
    return randomSplit(this.at("randomSplit"), weights, seed).map((node) => this.#make(node));
  }

  // Transformations of pairs

  /** `fn` of each value, keys and partitioning kept. May be async. E.g. `counts.mapValues((n) => n / 100)`. */
  mapValues<K, V, U>(this: RDD<Pair<K, V>>, fn: (value: V, signal: AbortSignal) => U): RDD<readonly [K, Awaited<U>]> {
    return this.#make(mapValues(this.at("mapValues"), fn));
  }

  /**
   * Any number of values for each value, each with its key. Keeps the partitioning. May be async.
   * E.g. `names.flatMapValues((name) => name.split(" "))`.
   */
  flatMapValues<K, V, U>(
    this: RDD<Pair<K, V>>,
    fn: (value: V, signal: AbortSignal) => MaybePromiseOf<Iterable<U>>,
  ): RDD<readonly [K, U]> {
    return this.#make(flatMapValues(this.at("flatMapValues"), fn));
  }

  /** The key of each pair. */
  keys<K, V>(this: RDD<Pair<K, V>>): RDD<K> {
    return this.#make(keys(this.at("keys")));
  }

  /** The value of each pair. */
  values<K, V>(this: RDD<Pair<K, V>>): RDD<V> {
    return this.#make(values(this.at("values")));
  }

  /**
   * One pair a key, its values folded two by two with `fn`, which must be associative and synchronous. Values are folded
   * before the shuffle too. They are always folded in the same order, so that float sums repeat to the last bit.
   *
   * ```ts
   * const counts = words.map((word) => [word, 1]).reduceByKey((a, b) => a + b);
   * ```
   *
   * @param partitions a number, or `{ partitions, by }`; default: as many as this RDD has
   */
  reduceByKey<K, V>(
    this: RDD<Pair<K, V>>,
    fn: (left: V, right: V) => V,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, V]> {
    return this.#make(reduceByKey(this.at("reduceByKey"), fn, partitions));
  }

  /**
   * As aggregateByKey with one function for both: Spark's foldByKey. `zero` is copied for each key.
   * E.g. `sales.foldByKey(0, (a, b) => Math.max(a, b))`.
   */
  foldByKey<K, V>(
    this: RDD<Pair<K, V>>,
    zero: V,
    fn: (left: V, right: V) => V,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, V]> {
    return this.#make(aggregateByKey(this.at("foldByKey"), zero, fn, fn, partitions));
  }

  /**
   * One pair a key: each value is added to a copy of `zero` with `seq`, totals are put together with `comb`. Both are
   * synchronous and may change and return their first argument.
   * E.g. `sales.aggregateByKey([0, 0], ([n, sum], amount) => [n! + 1, sum! + amount], (a, b) => [a[0]! + b[0]!, a[1]! + b[1]!])`.
   */
  aggregateByKey<K, V, U>(
    this: RDD<Pair<K, V>>,
    zero: U,
    seq: (total: U, value: V) => U,
    comb: (left: U, right: U) => U,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, U]> {
    return this.#make(aggregateByKey(this.at("aggregateByKey"), zero, seq, comb, partitions));
  }

  /**
   * The general form: `create` makes a key's combiner from its first value, `mergeValue` adds a further one, `mergeCombiners`
   * puts two together. All synchronous.
   * E.g. `sales.combineByKey((amount) => [amount], (all, amount) => [...all, amount], (a, b) => [...a, ...b])`.
   *
   * @param mapSideCombine false sends every value over the shuffle. Default true
   */
  combineByKey<K, V, C>(
    this: RDD<Pair<K, V>>,
    create: (value: V) => C,
    mergeValue: (combiner: C, value: V) => C,
    mergeCombiners: (left: C, right: C) => C,
    partitions?: Partitioning<K>,
    mapSideCombine = true,
  ): RDD<readonly [K, C]> {
    return this.#make(
      combineByKey(this.at("combineByKey"), create, mergeValue, mergeCombiners, partitions, mapSideCombine),
    );
  }

  /**
   * One pair a key with all its values, in the order of the input. The iterable may be read again and again while the
   * function that gets it runs; where it leaves the task it becomes an array. reduceByKey and aggregateByKey move less data.
   * E.g. `sales.groupByKey().mapValues((amounts) => [...amounts].sort()[0])`.
   */
  groupByKey<K, V>(this: RDD<Pair<K, V>>, partitions?: Partitioning<K>): RDD<readonly [K, Iterable<V>]> {
    return this.#make(groupByKey(this.at("groupByKey"), partitions));
  }

  /**
   * One pair for each key of either RDD, with the values of each. An RDD that is partitioned so already is not moved.
   * E.g. `sales.cogroup(names).mapValues(([amounts, all]) => [[...amounts].length, [...all].length])`.
   */
  cogroup<K, V, W>(
    this: RDD<Pair<K, V>>,
    other: RDD<Pair<K, W>>,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, readonly [Iterable<V>, Iterable<W>]]>;
  cogroup<K, V, W1, W2>(
    this: RDD<Pair<K, V>>,
    others: readonly [RDD<Pair<K, W1>>, RDD<Pair<K, W2>>],
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, readonly [Iterable<V>, Iterable<W1>, Iterable<W2>]]>;
  cogroup<K, V, W1, W2, W3>(
    this: RDD<Pair<K, V>>,
    others: readonly [RDD<Pair<K, W1>>, RDD<Pair<K, W2>>, RDD<Pair<K, W3>>],
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, readonly [Iterable<V>, Iterable<W1>, Iterable<W2>, Iterable<W3>]]>;
  cogroup(others: Dataset | readonly Dataset[], partitions?: Partitioning<never>): RDD<never> {
    const at = this.at("cogroup");
    return this.#make(
      cogroup(at, Array.isArray(others) ? (others as readonly Dataset[]) : [others as Dataset], partitions),
    );
  }

  /**
   * [key, [left, right]] for every pair of values with the same key: an inner join.
   * E.g. `sales.join(names).map(([, [amount, name]]) => [name, amount])`.
   */
  join<K, V, W>(
    this: RDD<Pair<K, V>>,
    other: RDD<Pair<K, W>>,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, readonly [V, W]]> {
    return this.#make(join(this.at("join"), other, partitions));
  }

  /**
   * As join, and every pair of this RDD without a partner once, with undefined in its place.
   * E.g. `sales.leftOuterJoin(names).mapValues(([amount, name]) => [name ?? "unknown", amount])`.
   */
  leftOuterJoin<K, V, W>(
    this: RDD<Pair<K, V>>,
    other: RDD<Pair<K, W>>,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, readonly [V, W | undefined]]> {
    return this.#make(outerJoin(this.at("leftOuterJoin"), other, "left", partitions));
  }

  /**
   * As join, and every pair of the other RDD without a partner once, with undefined in its place.
   * E.g. `sales.rightOuterJoin(names).filter(([, [amount]]) => amount === undefined)`.
   */
  rightOuterJoin<K, V, W>(
    this: RDD<Pair<K, V>>,
    other: RDD<Pair<K, W>>,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, readonly [V | undefined, W]]> {
    return this.#make(outerJoin(this.at("rightOuterJoin"), other, "right", partitions));
  }

  /**
   * As join, and every pair of either RDD without a partner once, with undefined in its place.
   * E.g. `sales.fullOuterJoin(names)`.
   */
  fullOuterJoin<K, V, W>(
    this: RDD<Pair<K, V>>,
    other: RDD<Pair<K, W>>,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, readonly [V | undefined, W | undefined]]> {
    return this.#make(outerJoin(this.at("fullOuterJoin"), other, "full", partitions));
  }

  /** The pairs whose key the other RDD does not have; duplicates stay. E.g. `sales.subtractByKey(names)`. */
  subtractByKey<K, V, W>(
    this: RDD<Pair<K, V>>,
    other: RDD<Pair<K, W>>,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, V]> {
    return this.#make(subtractByKey(this.at("subtractByKey"), other, partitions));
  }

  /**
   * As `sample`, with a fraction of its own for each key: a Map (keys equal by content), or an object for text keys. A key
   * without one gives nothing. E.g. `sales.sampleByKey(false, { SFO: 0.1, JFK: 0.5 }, 42)`.
   */
  sampleByKey<K, V>(
    this: RDD<Pair<K, V>>,
    withReplacement: boolean,
    fractions: ReadonlyMap<K, number> | Readonly<Record<string, number>>,
    seed?: number,
  ): RDD<readonly [K, V]> {
    return this.#make(sampleByKey(this.at("sampleByKey"), withReplacement, fractions, seed));
  }

  /**
   * One pair a key with about how many different values it has, by HyperLogLog: a few kilobytes a key whatever the count.
   * E.g. `const buyers = await names.countApproxDistinctByKey(0.01).collectAsMap()`.
   *
   * @param relativeSD standard deviation of the error as a share of the count, from 0.0041 to 0.3. Default 0.05
   */
  countApproxDistinctByKey<K, V>(
    this: RDD<Pair<K, V>>,
    relativeSD?: number,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, number]> {
    return this.#make(countApproxDistinctByKey(this.at("countApproxDistinctByKey"), relativeSD, partitions));
  }

  // Order and partitions

  /**
   * Pairs in the order of their keys over all partitions: partition 0 has the least (ascending). Equal keys keep the order
   * of the input. Mixed types have an order too (docs/programming-guide.md, Keys); strings are ordered by code point. Unlike Spark's it
   * starts no job by itself: the ranges are sampled by the action's own job. E.g. `counts.sortByKey(false)`.
   */
  sortByKey<K, V>(this: RDD<Pair<K, V>>, ascending = true, partitions?: number): RDD<readonly [K, V]> {
    return this.#make(sortByKey(this.at("sortByKey"), ascending, partitions));
  }

  /**
   * Records in the order of fn(record), which is synchronous; else as sortByKey.
   * E.g. `counts.sortBy(([, n]) => n, false)`.
   */
  sortBy(fn: (record: T) => unknown, ascending = true, partitions?: number): RDD<T> {
    return this.#make(sortBy(this.at("sortBy"), fn, ascending, partitions));
  }

  /**
   * Moves each pair to the partition that its key's hash, `by(key, partitions)`, or a partitioner says (hashPartitioner,
   * rangePartitioner, another RDD's `partitioner`). Later operations on keys with the same partitioning need no shuffle.
   *
   * ```ts
   * const placed = counts.partitionBy({ partitions: 26, by: (word, partitions) => word.charCodeAt(0) % partitions });
   * ```
   */
  partitionBy<K, V>(this: RDD<Pair<K, V>>, partitions: Partitioning<K>): RDD<readonly [K, V]> {
    return this.#make(partitionBy(this.at("partitionBy"), partitions));
  }

  /**
   * partitionBy, and the pairs of each partition in the order of their keys: one shuffle for both.
   * E.g. `sales.repartitionAndSortWithinPartitions(16)`.
   */
  repartitionAndSortWithinPartitions<K, V>(
    this: RDD<Pair<K, V>>,
    partitions: Partitioning<K>,
    ascending = true,
  ): RDD<readonly [K, V]> {
    const at = this.at("repartitionAndSortWithinPartitions");
    return this.#make(repartitionAndSortWithinPartitions(at, partitions, ascending));
  }

  /** Deals the records out evenly over `partitions` partitions, by a shuffle. `coalesce` makes fewer without one. */
  repartition(partitions: number): RDD<T> {
    return this.#make(repartition(this.at("repartition"), partitions));
  }

  /**
   * Joins neighbouring partitions until at most `partitions` are left; nothing moves. `shuffle` true is repartition.
   * E.g. `counts.coalesce(1).saveAsTextFile("out/counts")`.
   */
  coalesce(partitions: number, shuffle = false): RDD<T> {
    const at = this.at("coalesce");
    return this.#make(shuffle ? repartition(at, partitions) : coalesce(at, partitions));
  }

  // The methods' own types say what the records are; a node does not know.
  #make(node: NodeHandle): RDD<never> {
    return new RDD<never>(this[datasetSession], node);
  }
}
