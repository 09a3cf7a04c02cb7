// The actions of an RDD: each submits one job and gives a promise of what its partitions' answers come to. What a method does
// is a function in operations/.

import { countApproxDistinct } from "./operations/approx-distinct.js";
import { collect, first, isEmpty, take, toLocalIterator } from "./operations/collect.js";
import { count, countByKey } from "./operations/count.js";
import { aggregate, reduce } from "./operations/fold.js";
import { foreach, foreachPartition } from "./operations/foreach.js";
import { collectAsMap, countByValue, lookup, reduceByKeyLocally, takeSample } from "./operations/lookups.js";
import type { ActionOptions } from "./operations/run-action.js";
import { saveAsObjectFile, saveAsTextFile, type TextFileOptions } from "./operations/save-as-files.js";
import { extreme, type Histogram, histogram, stats } from "./operations/statistics.js";
import { top } from "./operations/top.js";
import { treeAggregate, treeReduce } from "./operations/tree.js";
import { RddBase } from "./rdd-base.js";
import type { StatCounter } from "./statistics.js";

/** A record of a pair operation. */
export type Pair<K, V> = readonly [K, V];

export class RddActions<T> extends RddBase {
  /**
   * All records, partition after partition. RESULT_TOO_LARGE above driver.maxResultSize (see toLocalIterator).
   * E.g. `const all = await words.collect()`.
   */
  collect(options?: ActionOptions): Promise<T[]> {
    return collect(this.at("collect"), options) as Promise<T[]>;
  }

  /**
   * The first n records: looks at one partition, then at four times as many each round until it has them. One job.
   * E.g. `const some = await lines.take(10)`.
   */
  take(n: number, options?: ActionOptions): Promise<T[]> {
    return take(this.at("take"), n, options) as Promise<T[]>;
  }

  /** The first record. EMPTY_COLLECTION when there is none. */
  first(options?: ActionOptions): Promise<T> {
    return first(this.at("first"), options) as Promise<T>;
  }

  /** True when there is no record. */
  isEmpty(options?: ActionOptions): Promise<boolean> {
    return isEmpty(this.at("isEmpty"), options);
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
    return top(this.at("top"), n, by, "greatest", options) as Promise<T[]>;
  }

  /**
   * The n least records, least first; else as `top`. E.g. `const rarest = await counts.takeOrdered(10, ([, n]) => n)`.
   */
  takeOrdered(n: number, by?: (record: T) => unknown, options?: ActionOptions): Promise<T[]> {
    return top(this.at("takeOrdered"), n, by, "least", options) as Promise<T[]>;
  }

  /** How many records there are. */
  count(options?: ActionOptions): Promise<number> {
    return count(this.at("count"), options);
  }

  /**
   * How many pairs each key has, keys equal by content, as a Map in the driver.
   * E.g. `const sold = (await sales.countByKey()).get("SFO")`.
   */
  countByKey<K, V>(this: RddActions<Pair<K, V>>, options?: ActionOptions): Promise<Map<K, number>> {
    return countByKey(this.at("countByKey"), options) as Promise<Map<K, number>>;
  }

  /**
   * The records folded two by two, in order, with an associative, synchronous function. EMPTY_COLLECTION on no record.
   * E.g. `const longest = await words.reduce((a, b) => (b.length > a.length ? b : a))`.
   */
  reduce(fn: (left: T, right: T) => T, options?: ActionOptions): Promise<T> {
    return reduce(this.at("reduce"), fn, options) as Promise<T>;
  }

  /**
   * As reduce, starting from a copy of `zero` in every partition and once more in the driver, as in Spark.
   * E.g. `const product = await numbers.fold(1, (a, b) => a * b)`.
   */
  fold(zero: T, fn: (left: T, right: T) => T, options?: ActionOptions): Promise<T> {
    return aggregate(this.at("fold"), zero, fn, fn, options) as Promise<T>;
  }

  /**
   * Each partition's records added to a copy of `zero` with `seq`; the totals put together in the driver, in partition order, with `comb`.
   * E.g. `const letters = await words.aggregate(0, (n, word) => n + word.length, (a, b) => a + b)`.
   */
  aggregate<U>(
    zero: U,
    seq: (total: U, record: T) => U,
    comb: (left: U, right: U) => U,
    options?: ActionOptions,
  ): Promise<U> {
    return aggregate(this.at("aggregate"), zero, seq, comb, options) as Promise<U>;
  }

  /**
   * How often each record occurs, records equal by content, as a Map in the driver.
   * E.g. `const perWord = await words.countByValue()`.
   */
  countByValue(options?: ActionOptions): Promise<Map<T, number>> {
    return countByValue(this.at("countByValue"), options) as Promise<Map<T, number>>;
  }

  /**
   * About how many different records there are, by HyperLogLog: memory is a few kilobytes a task whatever the count.
   * E.g. `const about = await words.countApproxDistinct(0.01)`.
   *
   * @param relativeSD standard deviation of the error as a share of the count, from 0.0041 to 0.3. Default 0.05
   */
  countApproxDistinct(relativeSD?: number, options?: ActionOptions): Promise<number> {
    return countApproxDistinct(this.at("countApproxDistinct"), relativeSD, options);
  }

  /**
   * All pairs as a Map, keys equal by content; of several values of a key the last one stays.
   * E.g. `const nameOf = (await names.collectAsMap()).get("SFO")`.
   */
  collectAsMap<K, V>(this: RddActions<Pair<K, V>>, options?: ActionOptions): Promise<Map<K, V>> {
    return collectAsMap(this.at("collectAsMap"), options) as Promise<Map<K, V>>;
  }

  /** reduceByKey and collectAsMap in one: the totals of all keys in the driver. `fn` is associative and synchronous. E.g. `const totals = await sales.reduceByKeyLocally((a, b) => a + b)`. */
  reduceByKeyLocally<K, V>(
    this: RddActions<Pair<K, V>>,
    fn: (left: V, right: V) => V,
    options?: ActionOptions,
  ): Promise<Map<K, V>> {
    return reduceByKeyLocally(this.at("reduceByKeyLocally"), fn, options) as Promise<Map<K, V>>;
  }

  /** The values of a key, in order; none when it does not occur. E.g. `const amounts = await sales.lookup("SFO")`. */
  lookup<K, V>(this: RddActions<Pair<K, V>>, key: K, options?: ActionOptions): Promise<V[]> {
    return lookup(this.at("lookup"), key, options) as Promise<V[]>;
  }

  /**
   * `n` records drawn at random, in random order; without replacement at most as many as there are. Runs a count first.
   * E.g. `const drawn = await lines.takeSample(false, 20, 42)`.
   *
   * @param seed an integer; default: by the RDD's place in the program, so that a run repeats
   */
  takeSample(withReplacement: boolean, n: number, seed?: number, options?: ActionOptions): Promise<T[]> {
    return takeSample(this.at("takeSample"), withReplacement, n, seed, options) as Promise<T[]>;
  }

  /**
   * As reduce, but partial results are put together in tasks, in `depth` levels, before the driver folds the last few.
   * E.g. `const most = await numbers.treeReduce((a, b) => Math.max(a, b), 3)`.
   */
  treeReduce(fn: (left: T, right: T) => T, depth = 2, options?: ActionOptions): Promise<T> {
    return treeReduce(this.at("treeReduce"), fn, depth, options) as Promise<T>;
  }

  /**
   * As aggregate, but totals are put together in tasks, in `depth` levels, before the driver folds the last few.
   * E.g. `const size = await words.treeAggregate(0, (n, word) => n + word.length, (a, b) => a + b)`.
   */
  treeAggregate<U>(
    zero: U,
    seq: (total: U, record: T) => U,
    comb: (left: U, right: U) => U,
    depth = 2,
    options?: ActionOptions,
  ): Promise<U> {
    return treeAggregate(this.at("treeAggregate"), zero, seq, comb, depth, options) as Promise<U>;
  }

  /** The greatest record in the order of keys. EMPTY_COLLECTION when there is none. */
  max(options?: ActionOptions): Promise<T> {
    return extreme(this.at("max"), "greatest", options) as Promise<T>;
  }

  /** The least record in the order of keys. EMPTY_COLLECTION when there is none. */
  min(options?: ActionOptions): Promise<T> {
    return extreme(this.at("min"), "least", options) as Promise<T>;
  }

  // Actions on numbers

  /** Count, mean, variance, least, greatest and sum in one job. */
  stats(this: RddActions<number>, options?: ActionOptions): Promise<StatCounter> {
    return stats(this.at("stats"), options);
  }

  /** The sum, compensated for rounding. 0 of no numbers. */
  async sum(this: RddActions<number>, options?: ActionOptions): Promise<number> {
    return (await stats(this.at("sum"), options)).sum;
  }

  /** NaN of no numbers. */
  async mean(this: RddActions<number>, options?: ActionOptions): Promise<number> {
    return (await stats(this.at("mean"), options)).mean;
  }

  /** Population variance. NaN of no numbers. */
  async variance(this: RddActions<number>, options?: ActionOptions): Promise<number> {
    return (await stats(this.at("variance"), options)).variance;
  }

  /** Population standard deviation. NaN of no numbers. */
  async stdev(this: RddActions<number>, options?: ActionOptions): Promise<number> {
    return (await stats(this.at("stdev"), options)).stdev;
  }

  /** Variance divided by the count less one. NaN below two numbers. */
  async sampleVariance(this: RddActions<number>, options?: ActionOptions): Promise<number> {
    return (await stats(this.at("sampleVariance"), options)).sampleVariance;
  }

  /** Standard deviation of a sample. NaN below two numbers. */
  async sampleStdev(this: RddActions<number>, options?: ActionOptions): Promise<number> {
    return (await stats(this.at("sampleStdev"), options)).sampleStdev;
  }

  /**
   * Counts by bucket. `buckets` is a number of equal widths between the least and the greatest number (one job more), or
   * ascending edges; the last bucket holds its upper edge too. What lies outside, and NaN, is not counted.
   *
   * ```ts
   * const { buckets, counts } = await ages.histogram([0, 18, 65, 120]);
   * ```
   */
  histogram(
    this: RddActions<number>,
    buckets: number | readonly number[],
    options?: ActionOptions,
  ): Promise<Histogram> {
    return histogram(this.at("histogram"), buckets, options);
  }

  /**
   * Calls `fn` with each record, in tasks, for its effects. May be async.
   * E.g. `await words.foreach(async (word, signal) => { await fetch(word, { signal }); })`.
   */
  foreach(fn: (record: T, signal: AbortSignal) => unknown, options?: ActionOptions): Promise<void> {
    return foreach(this.at("foreach"), fn, options);
  }

  /**
   * Calls `fn` once a partition with its records. May be async.
   * E.g. `await words.foreachPartition((records) => { for (const word of records) console.log(word); })`.
   */
  foreachPartition(fn: (records: Iterable<T>, signal: AbortSignal) => unknown, options?: ActionOptions): Promise<void> {
    return foreachPartition(this.at("foreachPartition"), fn, options);
  }

  /**
   * All records in order, in bounded memory: at most one batch of records and 4 MiB of bytes are here at a time. The job starts with
   * the first record that is asked for; leaving the loop cancels it. Unlike Spark's it is one job for all partitions.
   *
   * ```ts
   * for await (const line of lines.toLocalIterator()) console.log(line);
   * ```
   */
  toLocalIterator(options?: ActionOptions): AsyncGenerator<T, void, void> {
    return toLocalIterator(this.at("toLocalIterator"), options) as AsyncGenerator<T, void, void>;
  }

  /**
   * One file a partition (part-00000, ...) under `path`, then _SUCCESS; one line a record: String(record), a pair as key, tab,
   * value. OUTPUT_EXISTS when the path is there already. A relative path is taken from the working directory.
   * E.g. `await counts.saveAsTextFile("out/counts", { compression: "gzip" })`.
   */
  saveAsTextFile(path: string, options?: TextFileOptions): Promise<void> {
    return saveAsTextFile(this.at("saveAsTextFile"), path, options);
  }

  /**
   * One file a partition under `path`, then _SUCCESS, which `session.objectFile(path)` reads back as equal records of equal
   * types, class instances among them. OUTPUT_EXISTS when the path is there already.
   * E.g. `await counts.saveAsObjectFile("out/counts")`.
   */
  saveAsObjectFile(path: string, options?: ActionOptions): Promise<void> {
    return saveAsObjectFile(this.at("saveAsObjectFile"), path, options);
  }
}
