// Many jobs at once in one session, over RDDs that share shuffles and cached partitions, while RDDs are persisted and
// unpersisted and some jobs are cancelled: every job that is not cancelled gives what it gives alone.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { RDD } from "../../src/rdd/rdd.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
const SEED = 20_261;
const SIZE = 3_000;

type Sums = RDD<readonly [number, string]>;

/** RDDs one upon the other, so that jobs meet at their shuffles. */
function build(s: Session): readonly Sums[] {
  const base: Sums = s.range(0, SIZE, 1, 6).map((n) => [n % 300, `${n};`]);
  const joined = base.reduceByKey((a, b) => a + b, 4);
  const grouped: Sums = joined
    .map(([key, text]) => [key % 10, String(text.length)])
    .groupByKey(3)
    .mapValues((all) => [...all].join());
  const sorted = joined.mapValues((text) => text.slice(0, 5)).sortByKey(false, 3);
  const crossed: Sums = grouped
    .join(joined.map(([key, text]) => [key % 10, text.slice(-4)]))
    .mapValues(([a, b]) => a.slice(0, 3) + b);
  return [base, joined, grouped, sorted, crossed];
}

const questions: Readonly<Record<string, (rdd: Sums, signal?: AbortSignal) => Promise<unknown>>> = {
  collect: (rdd, signal) => rdd.collect({ signal }),
  count: (rdd, signal) => rdd.count({ signal }),
  take: (rdd, signal) => rdd.take(7, { signal }),
  top: (rdd, signal) => rdd.top(5, ([key, text]) => [key, text], { signal }),
  reduce: (rdd, signal) => rdd.values().reduce((a, b) => `${a}${b}`.slice(-40), { signal }),
  distinctKeys: (rdd, signal) => rdd.keys().distinct(3).collect({ signal }),
  stream: async (rdd, signal) => {
    const all: unknown[] = [];
    for await (const record of rdd.toLocalIterator({ signal })) all.push(record);
    return all;
  },
};

const step = fc.record({
  rdd: fc.nat({ max: 4 }),
  question: fc.constantFrom(...Object.keys(questions)),
  what: fc.constantFrom("run", "run", "run", "run", "cancel", "persist", "unpersist"),
  level: fc.constantFrom("MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"),
  afterTurns: fc.nat({ max: 12 }),
});

async function turns(count: number): Promise<void> {
  for (let at = 0; at < count; at++) await new Promise<void>((done) => setImmediate(done));
}

test.each(["local", "local[3]", "local-cluster[2,1,256m]"])(
  "on %s",
  async (master) => {
    const s = await engine.open(master, { memory: "256m", "memory.taskBytes": "256k" });
    const alone = build(s);
    const expected = new Map<string, unknown>();
    for (const [index, rdd] of alone.entries()) {
      for (const [name, ask] of Object.entries(questions)) expected.set(`${name} ${index}`, await ask(rdd));
    }
    const ask = async (
      rdds: readonly Sums[],
      { rdd, question, what, level, afterTurns }: typeof step extends fc.Arbitrary<infer T> ? T : never,
    ) => {
      const one = rdds[rdd] as Sums;
      await turns(afterTurns);
      if (what === "persist") return void one.persist(level as "MEMORY_ONLY");
      if (what === "unpersist") return void one.unpersist();
      const abort = new AbortController();
      const answer = (questions[question] as (typeof questions)[string])(one, abort.signal);
      if (what === "cancel") {
        answer.catch(() => undefined);
        await turns(afterTurns);
        abort.abort();
        // It may have ended before.
        const outcome = await answer.catch((error: { code?: string }) => error.code);
        if (outcome !== "JOB_CANCELLED") expect(outcome).toStrictEqual(expected.get(`${question} ${rdd}`));
        return;
      }
      expect(await answer, `${question} of RDD ${rdd}`).toStrictEqual(expected.get(`${question} ${rdd}`));
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 24 }), async (all) => {
        const rdds = build(s);
        await Promise.all(all.map((one) => ask(rdds, one)));
      }),
      { numRuns: 4, seed: SEED },
    );
    expect(await s.range(10).count()).toBe(10);
    await s.stop();
  },
  180_000,
);
