// The RDD: an immutable, lazy, partitioned collection. Here are its types and documentation; what a method does is a
// function in operations/. Nothing but an action starts a job.

import { formatCallSite } from "../plan/function.js";
import type { StorageLevel } from "../plan/lineage.js";
import { invalidArgument, requireText } from "../session/arguments.js";
import type { DriverSession } from "../session/driver-session.js";
import type { AnyFunction } from "../session/function-capture.js";
import type { NodeHandle } from "../session/lineage-store.js";
import { driverOnly } from "../session/travelling.js";
import { type Dataset, datasetNode, datasetSession, Operand } from "./operand.js";
import { cogroup, join } from "./operations/cogroup.js";
import { collect, first, isEmpty, take, toLocalIterator } from "./operations/collect.js";
import { aggregateByKey, combineByKey, groupByKey, reduceByKey } from "./operations/combine.js";
import { count, countByKey } from "./operations/count.js";
import { distinct } from "./operations/distinct.js";
import { coalesce, partitionBy, repartition, sortByKey } from "./operations/exchange.js";
import { filter } from "./operations/filter.js";
import { flatMap } from "./operations/flat-map.js";
import { aggregate, reduce } from "./operations/fold.js";
import { foreach, foreachPartition } from "./operations/foreach.js";
import { keyBy } from "./operations/key-by.js";
import { keys, values } from "./operations/keys.js";
import { map } from "./operations/map.js";
import { mapPartitions, mapPartitionsWithIndex } from "./operations/map-partitions.js";
import { flatMapValues, mapValues } from "./operations/map-values.js";
import type { ActionOptions } from "./operations/run-action.js";
import { saveAsTextFile, type TextFileOptions } from "./operations/save-as-text-file.js";
import { sortBy } from "./operations/sort-by.js";
import { top } from "./operations/top.js";
import { union } from "./operations/union.js";
import type { Partitioning } from "./partitioner.js";

/** A record of a pair operation. */
export type Pair<K, V> = readonly [K, V];
/** What mapPartitions gets, and may give, or an async iterable or a promise of it. */
export type PartitionResultOf<U> = Iterable<U> | AsyncIterable<U> | Promise<Iterable<U> | AsyncIterable<U>>;
export type MaybePromiseOf<U> = U | Promise<U>;

const inspectByNode: unique symbol = Symbol.for("nodejs.util.inspect.custom");
const storageLevels: readonly StorageLevel[] = ["NONE", "MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"];

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
export class RDD<T> implements Dataset {
  readonly [datasetSession]: DriverSession;
  readonly [datasetNode]: NodeHandle;
  readonly [driverOnly] = "RDD";

  /** Made by a Session's sources and by transformations, not by users. */
  constructor(session: DriverSession, node: NodeHandle) {
    this[datasetSession] = session;
    this[datasetNode] = node;
  }

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
    return this.#make(map(this.#at("map"), fn));
  }

  /**
   * Any number of records for each record: `fn` returns an iterable (an array, a Set, a generator). A string is refused with
   * WRONG_SHAPE, because its characters are hardly ever meant. May be async.
   */
  flatMap<K, V>(
    fn: (record: T, signal: AbortSignal) => MaybePromiseOf<Iterable<readonly [K, V]>>,
  ): RDD<readonly [K, V]>;
  flatMap<U>(fn: (record: T, signal: AbortSignal) => MaybePromiseOf<Iterable<U>>): RDD<U>;
  flatMap(fn: unknown): RDD<unknown> {
    return this.#make(flatMap(this.#at("flatMap"), fn));
  }

  /** The records for which `predicate` is true; a type guard narrows T. Keeps the partitioning. May be async. */
  filter<U extends T>(predicate: (record: T, signal: AbortSignal) => record is U): RDD<U>;
  filter(predicate: (record: T, signal: AbortSignal) => unknown): RDD<T>;
  filter(predicate: unknown): RDD<unknown> {
    return this.#make(filter(this.#at("filter"), predicate));
  }

  /**
   * `fn` is called once a partition with all its records, to be read once, and returns the new ones: a generator function
   * keeps memory flat. May be async, or give an async iterable.
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
    return this.#make(mapPartitions(this.#at("mapPartitions"), fn, preservesPartitioning));
  }

  /** As mapPartitions; `fn` gets the partition's number (from 0) first. */
  mapPartitionsWithIndex<K, V>(
    fn: (partition: number, records: Iterable<T>, signal: AbortSignal) => PartitionResultOf<readonly [K, V]>,
    preservesPartitioning?: boolean,
  ): RDD<readonly [K, V]>;
  mapPartitionsWithIndex<U>(
    fn: (partition: number, records: Iterable<T>, signal: AbortSignal) => PartitionResultOf<U>,
    preservesPartitioning?: boolean,
  ): RDD<U>;
  mapPartitionsWithIndex(fn: unknown, preservesPartitioning = false): RDD<unknown> {
    return this.#make(mapPartitionsWithIndex(this.#at("mapPartitionsWithIndex"), fn, preservesPartitioning));
  }

  /** [fn(record), record] for each record. May be async. */
  keyBy<K>(fn: (record: T, signal: AbortSignal) => K): RDD<readonly [Awaited<K>, T]> {
    return this.#make(keyBy(this.#at("keyBy"), fn));
  }

  /**
   * The records of this RDD and then those of the others, duplicates kept; partitions are lined up, none is moved. No
   * exchange. Different types give their union type.
   */
  union<U = T>(...others: readonly RDD<U>[]): RDD<T | U> {
    return this.#make(union(this.#at("union"), others));
  }

  /**
   * Each different record once, equality by content (see docs on keys). Of equal records the first one stays, so the result
   * is the same on every run; its order is that of the partitions by hash.
   *
   * @param partitions default: as many as this RDD has
   */
  distinct(partitions?: number): RDD<T> {
    return this.#make(distinct(this.#at("distinct"), partitions));
  }

  // Transformations of pairs

  /** `fn` of each value, keys and partitioning kept. May be async. */
  mapValues<K, V, U>(this: RDD<Pair<K, V>>, fn: (value: V, signal: AbortSignal) => U): RDD<readonly [K, Awaited<U>]> {
    return this.#make(mapValues(this.#at("mapValues"), fn));
  }

  /** Any number of values for each value, each with its key. Keeps the partitioning. May be async. */
  flatMapValues<K, V, U>(
    this: RDD<Pair<K, V>>,
    fn: (value: V, signal: AbortSignal) => MaybePromiseOf<Iterable<U>>,
  ): RDD<readonly [K, U]> {
    return this.#make(flatMapValues(this.#at("flatMapValues"), fn));
  }

  /** The key of each pair. */
  keys<K, V>(this: RDD<Pair<K, V>>): RDD<K> {
    return this.#make(keys(this.#at("keys")));
  }

  /** The value of each pair. */
  values<K, V>(this: RDD<Pair<K, V>>): RDD<V> {
    return this.#make(values(this.#at("values")));
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
    return this.#make(reduceByKey(this.#at("reduceByKey"), fn, partitions));
  }

  /** As aggregateByKey with one function for both: Spark's foldByKey. `zero` is copied for each key. */
  foldByKey<K, V>(
    this: RDD<Pair<K, V>>,
    zero: V,
    fn: (left: V, right: V) => V,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, V]> {
    return this.#make(aggregateByKey(this.#at("foldByKey"), zero, fn, fn, partitions));
  }

  /**
   * One pair a key: each value is added to a copy of `zero` with `seq`, totals are put together with `comb`. Both are
   * synchronous and may change and return their first argument.
   */
  aggregateByKey<K, V, U>(
    this: RDD<Pair<K, V>>,
    zero: U,
    seq: (total: U, value: V) => U,
    comb: (left: U, right: U) => U,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, U]> {
    return this.#make(aggregateByKey(this.#at("aggregateByKey"), zero, seq, comb, partitions));
  }

  /**
   * The general form: `create` makes a key's combiner from its first value, `mergeValue` adds a further one, `mergeCombiners`
   * puts two together. All synchronous.
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
      combineByKey(this.#at("combineByKey"), create, mergeValue, mergeCombiners, partitions, mapSideCombine),
    );
  }

  /**
   * One pair a key with all its values, in the order of the input. The iterable may be read again and again while the
   * function that gets it runs; where it leaves the task it becomes an array. reduceByKey and aggregateByKey move less data.
   */
  groupByKey<K, V>(this: RDD<Pair<K, V>>, partitions?: Partitioning<K>): RDD<readonly [K, Iterable<V>]> {
    return this.#make(groupByKey(this.#at("groupByKey"), partitions));
  }

  /** One pair for each key of either RDD, with the values of each. An RDD that is partitioned so already is not moved. */
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
    const at = this.#at("cogroup");
    return this.#make(
      cogroup(at, Array.isArray(others) ? (others as readonly Dataset[]) : [others as Dataset], partitions),
    );
  }

  /** [key, [left, right]] for every pair of values with the same key: an inner join. */
  join<K, V, W>(
    this: RDD<Pair<K, V>>,
    other: RDD<Pair<K, W>>,
    partitions?: Partitioning<K>,
  ): RDD<readonly [K, readonly [V, W]]> {
    return this.#make(join(this.#at("join"), other, partitions));
  }

  // Order and partitions

  /**
   * Pairs in the order of their keys over all partitions: partition 0 has the least (ascending). Equal keys keep the order
   * of the input. Mixed types have an order too (see docs on keys); strings are ordered by code point. Unlike Spark's it
   * starts no job by itself: the ranges are sampled by the action's own job.
   */
  sortByKey<K, V>(this: RDD<Pair<K, V>>, ascending = true, partitions?: number): RDD<readonly [K, V]> {
    return this.#make(sortByKey(this.#at("sortByKey"), ascending, partitions));
  }

  /** Records in the order of fn(record), which is synchronous; else as sortByKey. */
  sortBy(fn: (record: T) => unknown, ascending = true, partitions?: number): RDD<T> {
    return this.#make(sortBy(this.#at("sortBy"), fn, ascending, partitions));
  }

  /** Moves each pair to the partition that its key's hash, or `by(key, partitions)`, says. Later operations on keys with the same partitioning need no shuffle. */
  partitionBy<K, V>(this: RDD<Pair<K, V>>, partitions: Partitioning<K>): RDD<readonly [K, V]> {
    return this.#make(partitionBy(this.#at("partitionBy"), partitions));
  }

  /** Deals the records out evenly over `partitions` partitions, by a shuffle. */
  repartition(partitions: number): RDD<T> {
    return this.#make(repartition(this.#at("repartition"), partitions));
  }

  /** Joins neighbouring partitions until at most `partitions` are left; nothing moves. `shuffle` true is repartition. */
  coalesce(partitions: number, shuffle = false): RDD<T> {
    const at = this.#at("coalesce");
    return this.#make(shuffle ? repartition(at, partitions) : coalesce(at, partitions));
  }

  // Caching and names

  /**
   * Keeps the computed partitions on the workers when an action first computes them. Gives this same RDD. The level may be
   * changed at any time (in Spark it may not).
   *
   * @param level default "MEMORY_ONLY": what finds no room is computed again; "MEMORY_AND_DISK" puts it on disk
   */
  persist(level: Exclude<StorageLevel, "NONE"> = "MEMORY_ONLY"): this {
    if (!storageLevels.includes(level) || (level as StorageLevel) === "NONE") {
      throw invalidArgument("persist", "level", '"MEMORY_ONLY", "MEMORY_AND_DISK" or "DISK_ONLY"', level);
    }
    this.#at("persist");
    this[datasetSession].persist(this[datasetNode], level);
    return this;
  }

  /** persist("MEMORY_ONLY"). */
  cache(): this {
    return this.persist();
  }

  /** Drops the cached partitions. Gives this same RDD. */
  unpersist(): this {
    this[datasetSession].persist(this[datasetNode], "NONE");
    return this;
  }

  get storageLevel(): StorageLevel {
    return this[datasetNode].storage;
  }

  /** A name for messages. Gives this same RDD. */
  setName(name: string): this {
    this[datasetSession].rename(this[datasetNode], requireText("setName", "name", name));
    return this;
  }

  get name(): string | null {
    return this[datasetNode].name;
  }

  /** The number of partitions that actions will have, resolved by the master: it looks at files but starts no job. */
  numPartitions(): Promise<number> {
    return this[datasetSession].countPartitions(this[datasetNode]);
  }

  // Actions

  /** All records, partition after partition. RESULT_TOO_LARGE above driver.maxResultSize (see toLocalIterator). */
  collect(options?: ActionOptions): Promise<T[]> {
    return collect(this.#at("collect"), options) as Promise<T[]>;
  }

  /** The first n records: looks at one partition, then at four times as many each round until it has them. One job. */
  take(n: number, options?: ActionOptions): Promise<T[]> {
    return take(this.#at("take"), n, options) as Promise<T[]>;
  }

  /** The first record. EMPTY_COLLECTION when there is none. */
  first(options?: ActionOptions): Promise<T> {
    return first(this.#at("first"), options) as Promise<T>;
  }

  /** True when there is no record. */
  isEmpty(options?: ActionOptions): Promise<boolean> {
    return isEmpty(this.#at("isEmpty"), options);
  }

  /**
   * The n greatest records, greatest first, by `by(record)` or by the record itself in the order of keys. Of equal ones
   * the earlier stays.
   *
   * ```ts
   * await counts.top(10, ([, n]) => n);
   * ```
   */
  top(n: number, by?: (record: T) => unknown, options?: ActionOptions): Promise<T[]> {
    return top(this.#at("top"), n, by, "greatest", options) as Promise<T[]>;
  }

  /** The n least records, least first; else as `top`. */
  takeOrdered(n: number, by?: (record: T) => unknown, options?: ActionOptions): Promise<T[]> {
    return top(this.#at("takeOrdered"), n, by, "least", options) as Promise<T[]>;
  }

  /** How many records there are. */
  count(options?: ActionOptions): Promise<number> {
    return count(this.#at("count"), options);
  }

  /** How many pairs each key has, keys equal by content, as a Map in the driver. */
  countByKey<K, V>(this: RDD<Pair<K, V>>, options?: ActionOptions): Promise<Map<K, number>> {
    return countByKey(this.#at("countByKey"), options) as Promise<Map<K, number>>;
  }

  /** The records folded two by two, in order, with an associative, synchronous function. EMPTY_COLLECTION on no record. */
  reduce(fn: (left: T, right: T) => T, options?: ActionOptions): Promise<T> {
    return reduce(this.#at("reduce"), fn, options) as Promise<T>;
  }

  /** As reduce, starting from a copy of `zero` in every partition and once more in the driver, as in Spark. */
  fold(zero: T, fn: (left: T, right: T) => T, options?: ActionOptions): Promise<T> {
    return aggregate(this.#at("fold"), zero, fn, fn, options) as Promise<T>;
  }

  /** Each partition's records added to a copy of `zero` with `seq`; the totals put together in the driver, in partition order, with `comb`. */
  aggregate<U>(
    zero: U,
    seq: (total: U, record: T) => U,
    comb: (left: U, right: U) => U,
    options?: ActionOptions,
  ): Promise<U> {
    return aggregate(this.#at("aggregate"), zero, seq, comb, options) as Promise<U>;
  }

  /** Calls `fn` with each record, in tasks, for its effects. May be async. */
  foreach(fn: (record: T, signal: AbortSignal) => unknown, options?: ActionOptions): Promise<void> {
    return foreach(this.#at("foreach"), fn, options);
  }

  /** Calls `fn` once a partition with its records. May be async. */
  foreachPartition(fn: (records: Iterable<T>, signal: AbortSignal) => unknown, options?: ActionOptions): Promise<void> {
    return foreachPartition(this.#at("foreachPartition"), fn, options);
  }

  /**
   * All records in order, in bounded memory: at most one batch of records and 4 MiB of bytes are here at a time. The job starts with
   * the first record that is asked for; leaving the loop cancels it. Unlike Spark's it is one job for all partitions.
   *
   * ```ts
   * for await (const record of rdd.toLocalIterator()) console.log(record);
   * ```
   */
  toLocalIterator(options?: ActionOptions): AsyncGenerator<T, void, void> {
    return toLocalIterator(this.#at("toLocalIterator"), options) as AsyncGenerator<T, void, void>;
  }

  /**
   * One file a partition (part-00000, ...) under `path`, then _SUCCESS; one line a record: String(record), a pair as key, tab,
   * value. OUTPUT_EXISTS when the path is there already. A relative path is taken from the working directory.
   */
  saveAsTextFile(path: string, options?: TextFileOptions): Promise<void> {
    return saveAsTextFile(this.#at("saveAsTextFile"), path, options);
  }

  /** `RDD 3, map at counts.ts:9:4`, with its name if it has one. */
  toString(): string {
    const { node, name } = this[datasetNode];
    return `RDD ${node.id}${name === null ? "" : ` "${name}"`}, ${formatCallSite(node.callSite)}`;
  }

  [inspectByNode](): string {
    return this.toString();
  }

  /** This RDD at a call of the public method `method`, which is on the stack. */
  #at(method: keyof RDD<T> & string): Operand {
    const entry = RDD.prototype[method as "collect"] as AnyFunction;
    return new Operand(this[datasetSession], this[datasetNode], method, entry);
  }

  // The methods' own types say what the records are; a node does not know.
  #make(node: NodeHandle): RDD<never> {
    return new RDD<never>(this[datasetSession], node);
  }
}
