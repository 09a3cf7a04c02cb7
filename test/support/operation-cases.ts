// Every operation and action as a small program over random data. A program runs unchanged on the engine and on the lineage
// model (plain arrays), and what it answers must be equal: records, their order, and, where `layout` is used, which partition
// holds which. Where values are folded the functions are associative but not commutative, so that order shows.

import fc from "fast-check";
import { hashPartitioner, type KeyPartitioner, rangePartitioner } from "../../src/rdd/partitioner.js";
import type { RDD } from "../../src/rdd/rdd.js";
import type { RddSession } from "../../src/rdd/session.js";

export interface Input {
  readonly left: readonly (readonly [unknown, string])[];
  readonly right: readonly (readonly [unknown, string])[];
  /** Partitions of `left` and of `right`, and of what is made of them. */
  readonly slices: number;
  readonly others: number;
  readonly out: number;
  /** A number of records that take and top ask for. */
  readonly n: number;
}

export interface OperationCase {
  readonly name: string;
  readonly program: (session: RddSession, input: Input) => Promise<unknown>;
}

type Pairs = RDD<readonly [unknown, string]>;

const anyKey: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -3, max: 5 }) },
  { weight: 4, arbitrary: fc.constantFrom("", "a", "b", "é", "\u{1f600}", "ab") },
  fc.constantFrom<unknown>(Number.NaN, -0, 0, 1, "1", 1n, null, undefined, true, false, 0.5, Number.POSITIVE_INFINITY),
  fc.constantFrom(new Date(0), new Date(1), new Date(Number.NaN)),
  fc.constantFrom<unknown>([], [1], [1, "a"], [[1], [2]], { a: 1, b: 2 }, { b: 2, a: 1 }, {}, new Uint8Array([1, 2])),
);
const keyArrays = fc.oneof(
  fc.array(anyKey, { maxLength: 40 }),
  fc.array(fc.constantFrom("x", "y", "z", "long enough to be no small string"), { maxLength: 40 }),
  fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 40 }),
);
const value = fc.string({ unit: "grapheme", maxLength: 4 });
const partitions = fc.integer({ min: 1, max: 5 });

function pairsOf(keys: fc.Arbitrary<unknown[]>): fc.Arbitrary<(readonly [unknown, string])[]> {
  return keys.chain((all) => fc.tuple(...all.map((key) => fc.tuple(fc.constant(key), value))));
}

export const smallInputs: fc.Arbitrary<Input> = fc.record({
  left: pairsOf(keyArrays),
  right: pairsOf(keyArrays),
  slices: partitions,
  others: partitions,
  out: partitions,
  n: fc.integer({ min: 0, max: 12 }),
});

/** One input of `records` pairs a side, enough for several blocks and, with a small budget, for spilling. Seeded. */
export function largeInput(records: number, seed: number): Input {
  // A multiplicative generator (Lehmer): the same numbers on every machine.
  let state = seed;
  const next = (below: number) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  const side = (count: number) =>
    Array.from({ length: count }, () => {
      const n = next(records >> 1);
      const key = n % 3 === 0 ? n : n % 3 === 1 ? `key ${n} ${"k".repeat(n % 23)}` : [n, `part ${n % 7}`];
      return [key, `${next(1000)};`] as const;
    });
  return { left: side(records), right: side(records >> 2), slices: 5, others: 3, out: 4, n: 1000 };
}

const left = (session: RddSession, { left, slices }: Input): Pairs => session.parallelize(left, slices);
const right = (session: RddSession, { right, others }: Input): Pairs => session.parallelize(right, others);
const layout = <T>(rdd: RDD<T>): Promise<T[][]> => rdd.mapPartitions((records) => [[...records]]).collect() as never;
/** A tenth of a large input: `layout` holds a whole partition, and a product has as many records as both sides multiplied. */
const few = (pairs: Pairs): Pairs => pairs.filter(([, v]) => v.length < 4);
const concat = (a: string, b: string) => a + b;
const append = (list: string[], one: string) => {
  list.push(one);
  return list;
};
const merge = (a: string[], b: string[]) => [...a, ...b];
/** The same whatever the partitions were: by key, records of a key in their order. */
const inOrder = <V>(pairs: RDD<readonly [unknown, V]>) => pairs.sortByKey(true, 1).collect();
const lists = <K, V>(pairs: RDD<readonly [K, Iterable<V>]>) =>
  pairs.map<readonly [K, V[]]>(([key, all]) => [key, [...all]] as const);

const define = (name: string, program: OperationCase["program"]): OperationCase => ({ name, program });

export const transformations: readonly OperationCase[] = [
  define("parallelize", (s, i) => layout(left(s, i))),
  define("range", (s, i) => layout(s.range(-i.n, i.left.length, 3, i.slices))),
  define("map", (s, i) => layout(left(s, i).map<unknown>(([key, v]) => ({ key, v, sum: `${v}!` })))),
  define("map, async", (s, i) => layout(left(s, i).map(async ([key, v]) => ({ v, key })))),
  define("flatMap", (s, i) => layout(left(s, i).flatMap<unknown>(([key, v]) => [...v, key]))),
  define("flatMap, async", (s, i) => layout(left(s, i).flatMap(async ([, v]) => new Set(v)))),
  define("filter", (s, i) => layout(left(s, i).filter(([, v]) => v.length % 2 === 0))),
  define("filter, async", (s, i) => layout(left(s, i).filter(async ([, v]) => v.length % 2 === 1))),
  define("mapPartitions", (s, i) =>
    left(s, i)
      .mapPartitions((all) => [[...all].length])
      .collect(),
  ),
  define("mapPartitions, generator", (s, i) =>
    layout(
      left(s, i).mapPartitions(function* (all) {
        for (const [key, v] of all) {
          yield v;
          yield key;
        }
      }),
    ),
  ),
  define("mapPartitions, async generator", (s, i) =>
    layout(
      left(s, i).mapPartitions(async function* (all) {
        for (const [, v] of all) yield v;
      }),
    ),
  ),
  define("mapPartitionsWithIndex", (s, i) =>
    left(s, i)
      .mapPartitionsWithIndex<unknown>((partition, all) => [...all].map(([key], at) => ({ partition, at, key })))
      .collect(),
  ),
  define("keyBy", (s, i) => layout(left(s, i).keyBy(([, v]) => v.length))),
  define("keyBy, async", (s, i) => layout(left(s, i).keyBy(async ([, v]) => v.length))),
  define("mapValues", (s, i) => layout(left(s, i).mapValues((v) => v.toUpperCase()))),
  define("mapValues, async", (s, i) => layout(left(s, i).mapValues(async (v) => [v]))),
  define("flatMapValues", (s, i) => layout(left(s, i).flatMapValues((v) => [v, v.length]))),
  define("keys", (s, i) => layout(left(s, i).keys())),
  define("values", (s, i) => layout(left(s, i).values())),
  define("union", (s, i) => layout(left(s, i).union(right(s, i), left(s, i)))),
  define("distinct", (s, i) => layout(left(s, i).keys().distinct(i.out))),
  define("distinct of pairs", (s, i) => layout(left(s, i).union(left(s, i)).distinct())),
  define("reduceByKey", (s, i) => layout(left(s, i).reduceByKey(concat, i.out))),
  define("reduceByKey to its own count", (s, i) => layout(left(s, i).reduceByKey(concat))),
  define("foldByKey", (s, i) => layout(left(s, i).foldByKey("", concat, i.out))),
  define("aggregateByKey", (s, i) => layout(left(s, i).aggregateByKey([] as string[], append, merge, i.out))),
  define("combineByKey", (s, i) => layout(left(s, i).combineByKey((v) => [v], append, merge, i.out))),
  define("combineByKey without map side combine", (s, i) =>
    layout(left(s, i).combineByKey((v) => [v], append, merge, i.out, false)),
  ),
  define("groupByKey", (s, i) => layout(left(s, i).groupByKey(i.out))),
  define("groupByKey, values read in a task", (s, i) => layout(lists(left(s, i).groupByKey(i.out)))),
  define("cogroup", (s, i) => layout(left(s, i).cogroup(right(s, i), i.out))),
  define("cogroup of three", (s, i) =>
    layout(left(s, i).cogroup([right(s, i), left(s, i).mapValues((v) => v.length)])),
  ),
  define("join", (s, i) => layout(left(s, i).reduceByKey(concat).join(right(s, i), i.out))),
  define("join of duplicate keys", (s, i) =>
    layout(
      left(s, i)
        .filter(([, v]) => v.length < 3)
        .join(right(s, i).filter(([, v]) => v.length < 3)),
    ),
  ),
  define("sortByKey", (s, i) => left(s, i).sortByKey(true, i.out).collect()),
  define("sortByKey, descending", (s, i) => left(s, i).sortByKey(false, i.out).collect()),
  define("sortByKey to its own count", (s, i) => left(s, i).sortByKey().collect()),
  define("sortBy", (s, i) =>
    left(s, i)
      .sortBy(([, v]) => v, true, i.out)
      .collect(),
  ),
  define("sortBy, descending", (s, i) =>
    left(s, i)
      .sortBy(([key, v]) => [v.length, key], false)
      .collect(),
  ),
  define("zip", (s, i) => layout(left(s, i).zip(left(s, i).mapValues((v) => v.length)))),
  define("zip of different lengths", (s, i) => outcome(left(s, i).zip(right(s, i)).collect())),
  define("zipPartitions", (s, i) =>
    layout(
      left(s, i)
        .repartition(i.out)
        .zipPartitions(right(s, i).repartition(i.out), function* (a, b) {
          yield [...a].length;
          for (const [, v] of b) yield v;
        }),
    ),
  ),
  define("zipPartitions of four", (s, i) => {
    const l = left(s, i);
    return layout(l.zipPartitions([l, l.keys(), l.values()], (a, b, c, d) => [[...a].length, ...b, ...c, ...d]));
  }),
  define("zipPartitions of three, async", (s, i) => {
    const l = left(s, i);
    return layout(l.zipPartitions([l.mapValues(async (v) => v.length), l], async (a, b, c) => [...a, ...b, ...c]));
  }),
  define("zipWithIndex", (s, i) => layout(left(s, i).zipWithIndex())),
  define("zipWithIndex of a shuffle, cached", async (s, i) => {
    const indexed = left(s, i).partitionBy(i.out).zipWithIndex().cache();
    return [await layout(indexed), await layout(indexed.union(indexed).coalesce(2))];
  }),
  define("zipWithUniqueId", (s, i) => layout(left(s, i).zipWithUniqueId())),
  define("cartesian", (s, i) =>
    layout(
      few(left(s, i))
        .keys()
        .cartesian(few(right(s, i)).values()),
    ),
  ),
  define("cartesian of indexed shuffles", (s, i) =>
    layout(
      few(left(s, i))
        .partitionBy(2)
        .zipWithIndex()
        .cartesian(few(right(s, i)).keys().distinct(2))
        .coalesce(i.out),
    ),
  ),
  define("glom", (s, i) => left(s, i).glom().collect()),
  define("groupBy", (s, i) =>
    layout(
      left(s, i)
        .groupBy(([, v]) => v.length, i.out)
        .mapValues((all) => [...all]),
    ),
  ),
  define("intersection", (s, i) => layout(left(s, i).keys().intersection(right(s, i).keys(), i.out))),
  define("subtract", (s, i) => layout(left(s, i).keys().subtract(right(s, i).keys(), i.out))),
  define("subtractByKey", (s, i) => layout(left(s, i).subtractByKey(right(s, i), i.out))),
  define("leftOuterJoin", (s, i) => layout(left(s, i).leftOuterJoin(right(s, i), i.out))),
  define("rightOuterJoin", (s, i) => layout(left(s, i).rightOuterJoin(right(s, i), i.out))),
  define("fullOuterJoin", (s, i) => layout(left(s, i).fullOuterJoin(right(s, i), i.out))),
  define("sample", (s, i) => layout(left(s, i).sample(false, 0.4, i.n))),
  define("sample with replacement", (s, i) => layout(left(s, i).sample(true, 1.5, i.n))),
  define("randomSplit", async (s, i) =>
    Promise.all(
      left(s, i)
        .randomSplit([1, 2, 1], i.n)
        .map((part) => layout(part)),
    ),
  ),
  define("sampleByKey", (s, i) => layout(left(s, i).sampleByKey(false, { a: 0.5, b: 1 }, i.n))),
  define("sampleByKey of any keys", (s, i) => {
    const fractions = new Map<unknown, number>([...i.left, ...i.right].map(([key], at) => [key, (at % 4) / 4]));
    return layout(left(s, i).sampleByKey(i.n % 2 === 0, fractions, i.n));
  }),
  define("countApproxDistinctByKey", (s, i) => layout(left(s, i).countApproxDistinctByKey(0.2, i.out))),
  define("repartitionAndSortWithinPartitions", (s, i) =>
    layout(left(s, i).repartitionAndSortWithinPartitions(i.out, i.n % 2 === 0)),
  ),
  define("partitionBy", (s, i) => layout(left(s, i).partitionBy(i.out))),
  define("partitionBy a function", (s, i) => {
    const { n } = i;
    return layout(left(s, i).partitionBy({ partitions: i.out, by: (key, count) => (String(key).length + n) % count }));
  }),
  define("partitionBy hash and bounds", async (s, i) => [
    await layout(left(s, i).partitionBy(hashPartitioner(i.out))),
    await layout(left(s, i).partitionBy(rangePartitioner([0, 2, "a", "key 5"]))),
    await layout(
      left(s, i)
        .partitionBy(rangePartitioner([0, 2, "a", "key 5"], false))
        .reduceByKey(concat),
    ),
  ]),
  define("partitionBy ranges of an RDD", async (s, i) => {
    const ranges = rangePartitioner(i.out, left(s, i));
    const placed = left(s, i).partitionBy(ranges);
    // Which keys share a partition depends on a sample; what comes of it does not.
    return [await inOrder(placed), await inOrder(placed.groupByKey(ranges).join(right(s, i), ranges))];
  }),
  define("operations on a sorted RDD", async (s, i) => {
    const sorted = left(s, i).sortByKey(i.n % 2 === 0, i.out);
    const partitioner = sorted.partitioner as KeyPartitioner;
    const others = right(s, i).reduceByKey(concat, partitioner);
    return [
      await sorted.reduceByKey(concat).collect(),
      await sorted.groupByKey(partitioner).collect(),
      await inOrder(sorted.join(others, partitioner)),
      await inOrder(sorted.cogroup(others, partitioner)),
    ];
  }),
  define("operations on a custom partitioner", (s, i) => {
    const placed = left(s, i).partitionBy({ partitions: i.out, by: (key, n) => String(key).length % n });
    const lengths = placed.mapValues((v) => v.length).reduceByKey((a, b) => a + b);
    return layout(right(s, i).cogroup([placed, lengths], placed.partitioner as KeyPartitioner));
  }),
  define("repartition", (s, i) => layout(left(s, i).repartition(i.out))),
  define("coalesce", (s, i) => layout(left(s, i).union(right(s, i)).coalesce(i.out))),
  define("coalesce with a shuffle", (s, i) => layout(left(s, i).coalesce(i.out, true))),
  define("known partitioners", (s, i) => {
    const placed = left(s, i).partitionBy(i.out);
    return layout(
      placed
        .mapValues((v) => v.length)
        .reduceByKey((a, b) => a + b, i.out)
        .join(placed.groupByKey(i.out)),
    );
  }),
  define("a shuffle below a shuffle below a coalesce", (s, i) =>
    layout(
      left(s, i)
        .reduceByKey(concat)
        .map(([key, v]) => [v.length, [key]])
        .reduceByKey((a, b) => [...a, ...b], i.out)
        .union(right(s, i).map(([key, v]) => [v.length, [key]]))
        .coalesce(2),
    ),
  ),
  define("mapBatches", (s, i) =>
    layout(
      left(s, i)
        .map(([, v]) => ({
          v,
          n: v.length,
          even: v.length % 2 === 0,
          at: new Date(v.length),
          none: null,
          maybe: v || null,
        }))
        .mapBatches((batch) => batch, { batchSize: i.n + 1 }),
    ),
  ),
  define("mapBatches of tuples, several batches, columns named", (s, i) =>
    layout(
      left(s, i)
        .map<readonly unknown[]>(([, v]) => [v, BigInt(v.length), Buffer.from(v)])
        .mapBatches(
          function* (batch) {
            yield batch.slice(1);
            yield batch.slice(0, 1);
          },
          { batchSize: 3, columns: { 0: "string", 1: "bigint", 2: "bytes" } },
        ),
    ),
  ),
  define("mapBatches, async, below mapPartitions and a shuffle", (s, i) =>
    layout(
      left(s, i)
        .map(async ([, v]) => ({ v, n: v.length }))
        .mapBatches<{ v: string; n: number }>(async (batch) => [batch, batch])
        .mapPartitions(function* (all) {
          for (const { v, n } of all) yield [n, v] as const;
        })
        .reduceByKey(concat, i.out),
    ),
  ),
  define("localCheckpoint", async (s, i) => {
    const kept = left(s, i).reduceByKey(concat, i.out).localCheckpoint();
    const above = kept.mapValues((v) => v.length);
    const before = kept.isCheckpointed;
    const [one, other] = await Promise.all([layout(above), kept.count()]);
    return [before, one, other, kept.isCheckpointed, await layout(kept), await layout(kept.groupByKey())];
  }),
  define("toDebugString", async (s, i) => {
    const placed = left(s, i).reduceByKey(concat, i.out).setName("sums").persist("DISK_ONLY");
    const rdd = placed.join(right(s, i).sortByKey(), i.out).union(placed.mapValues((v) => [v, v] as const));
    return (await rdd.coalesce(2).toDebugString()).replace(/\[\d+\]/g, "[n]");
  }),
  define("cache", async (s, i) => {
    const cached = left(s, i).reduceByKey(concat, i.out).cache();
    return [await layout(cached), await cached.count(), await layout(cached.mapValues((v) => v.length))];
  }),
  define("numPartitions", async (s, i) => {
    const [a, b] = [left(s, i), right(s, i)];
    const all = [
      a,
      a.union(b),
      a.coalesce(i.out),
      a.repartition(i.out),
      a.cogroup(b),
      a.join(b, i.out),
      a.sortByKey(),
      a.groupByKey(),
    ];
    return Promise.all(all.map((rdd) => rdd.numPartitions()));
  }),
];

export const actions: readonly OperationCase[] = [
  define("collect", (s, i) => left(s, i).collect()),
  define("count", (s, i) => left(s, i).count()),
  define("take", (s, i) => left(s, i).take(i.n)),
  define("take after a shuffle", (s, i) => left(s, i).reduceByKey(concat).take(i.n)),
  define("first", (s, i) => outcome(left(s, i).first())),
  define("isEmpty", (s, i) =>
    left(s, i)
      .filter(([, v]) => v.length > 3)
      .isEmpty(),
  ),
  define("top", (s, i) => left(s, i).top(i.n, ([, v]) => v)),
  define("top of records", (s, i) => left(s, i).keys().top(i.n)),
  define("takeOrdered", (s, i) => left(s, i).takeOrdered(i.n, ([key]) => key)),
  define("countByKey", async (s, i) => [...(await left(s, i).countByKey())]),
  define("countByValue", async (s, i) => [...(await left(s, i).keys().countByValue())]),
  define("collectAsMap", async (s, i) => [...(await left(s, i).collectAsMap())]),
  define("lookup", (s, i) => left(s, i).lookup(i.left[0]?.[0] ?? "nobody")),
  define("reduceByKeyLocally", async (s, i) => [...(await left(s, i).reduceByKeyLocally(concat))]),
  define("takeSample", (s, i) => left(s, i).takeSample(false, i.n, i.n)),
  define("takeSample with replacement", (s, i) => left(s, i).takeSample(true, i.n, i.n)),
  define("countApproxDistinct", (s, i) => left(s, i).keys().countApproxDistinct(0.1)),
  define("treeReduce", (s, i) => outcome(left(s, i).values().repartition(9).treeReduce(concat, 3))),
  define("treeAggregate", (s, i) =>
    left(s, i)
      .repartition(9)
      .treeAggregate(
        [] as string[],
        (list, [, v]) => append(list, v),
        (a, b) => [...a, ...b],
      ),
  ),
  define("max and min", async (s, i) => [
    await outcome(left(s, i).values().max()),
    await outcome(left(s, i).values().min()),
  ]),
  define("stats", async (s, i) => {
    const lengths = left(s, i).map<number>(([, v]) => v.length + 0.1);
    return [{ ...(await lengths.stats()) }, await lengths.sum(), await lengths.sampleStdev()];
  }),
  define("histogram", async (s, i) => {
    const lengths = left(s, i).map<number>(([, v]) => v.length);
    return [await lengths.histogram([0, 1, 3, 9]), await outcome(lengths.histogram(3))];
  }),
  define("reduce", (s, i) => outcome(left(s, i).values().reduce(concat))),
  define("fold", (s, i) => left(s, i).values().fold("", concat)),
  define("aggregate", (s, i) =>
    left(s, i).aggregate(
      [] as string[],
      (list, [, v]) => append(list, v),
      (a, b) => [...a, ...b],
    ),
  ),
  define("foreach", async (s, i) => {
    const seen = s.longAccumulator("seen");
    await left(s, i).foreach(([, v]) => seen.add(v.length + 1));
    return seen.value;
  }),
  define("foreachPartition", async (s, i) => {
    const seen = s.longAccumulator("seen");
    await left(s, i).foreachPartition(async (all) => {
      for (const _ of all) seen.add(1);
    });
    return seen.value;
  }),
  define("toLocalIterator", async (s, i) => {
    const all: unknown[] = [];
    for await (const record of left(s, i).toLocalIterator()) all.push(record);
    return all;
  }),
];

/** Steps of pairs to pairs, for chains of any of them. */
export const steps: Readonly<Record<string, (pairs: Pairs, input: Input) => Pairs>> = {
  mapValues: (p) => p.mapValues((v) => `${v}'`),
  swap: (p) => p.map<readonly [unknown, string]>(([key, v]) => [v, String(key)] as const),
  filter: (p) => p.filter(([, v]) => v.length !== 2),
  asyncFilter: (p) => p.filter(async ([, v]) => v.length !== 3),
  twice: (p) => p.flatMap<readonly [unknown, string]>((pair) => [pair, pair]),
  reduceByKey: (p, i) => p.reduceByKey(concat, i.out),
  reduceBySame: (p) => p.reduceByKey(concat),
  group: (p) => p.groupByKey().mapValues((all) => [...all].join("+")),
  partitionBy: (p, i) => p.partitionBy(i.out),
  repartition: (p, i) => p.repartition(i.others),
  coalesce: (p) => p.coalesce(2),
  unionSelf: (p) => p.union(p.mapValues((v) => v.slice(1))),
  distinct: (p) => p.distinct(),
  cache: (p) => p.persist("MEMORY_AND_DISK"),
  joinSelf: (p) => {
    const one = p.reduceByKey(concat);
    return one.join(one).mapValues(([a, b]) => `${a}${b.length}`);
  },
};

export const chains: fc.Arbitrary<readonly string[]> = fc.array(fc.constantFrom(...Object.keys(steps)), {
  minLength: 1,
  maxLength: 5,
});

export function runChain(session: RddSession, input: Input, names: readonly string[]): Promise<unknown> {
  return layout(names.reduce((pairs, name) => steps[name]!(pairs, input), left(session, input)));
}

/** What a promise comes to, an error by its code. */
export async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await promise };
  } catch (error) {
    // A job that failed says why in its cause.
    const { code, cause } = error as { code?: string; cause?: { code?: string } };
    return { code: code === "JOB_FAILED" ? cause?.code : code };
  }
}
