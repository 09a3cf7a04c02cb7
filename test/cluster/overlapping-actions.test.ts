// Several actions of one session at once: they run side by side (proved by tasks that wait for one another, which would never
// meet if the jobs came one after the other), they give what each gives alone, and one that is cancelled leaves the others be.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RDD } from "../../src/rdd/rdd.js";
import { type Session, sessions } from "../support/engine.js";
import { waitingFor } from "../support/gates.js";

const engine = sessions();
const masters = ["local[2]", "local-cluster[2,1,256m]"];
let gates = 0;
const freshGate = () => join(engine.directory, `gate-${++gates}`);

const all = (s: Session) => {
  const base = s.range(0, 2_000, 1, 5).map((n) => [n % 50, `${n};`]);
  const sums = base.reduceByKey((a, b) => a + b, 3);
  return { base, sums, sorted: sums.sortByKey(false, 2) };
};

const questions: readonly ((rdds: ReturnType<typeof all>) => Promise<unknown>)[] = [
  ({ base }) => base.count(),
  ({ base }) => base.values().reduce((a, b) => `${a}${b}`.slice(-60)),
  ({ sums }) => sums.collect(),
  ({ sums }) => sums.lookup(7),
  ({ sorted }) => sorted.take(5),
  ({ sorted }) => sorted.countByKey(),
  ({ sorted, sums }) => sorted.join(sums, 2).count(),
  ({ base }) => base.top(3, ([, text]) => text),
];

test.each(masters)(
  "on %s two counts run at the same time",
  async (master) => {
    const s = await engine.open(master);
    const [here, there] = [freshGate(), freshGate()];
    const count = (own: string, other: string) => s.range(1).map(waitingFor(own, other)).count();
    // Each task opens its gate and waits for the other's.
    expect(await Promise.all([count(here, there), count(there, here)])).toEqual([1, 1]);
    await s.stop();
  },
  60_000,
);

test.each(masters)(
  "on %s many at once agree with one after the other",
  async (master) => {
    const s = await engine.open(master);
    const alone: unknown[] = [];
    for (const ask of questions) alone.push(await ask(all(s)));
    const shared = all(s);
    // Of the same RDDs, so that jobs meet at their shuffles; the same question twice among them.
    const asked = [...questions, ...questions];
    const answers = await Promise.all(asked.map((ask) => ask(shared)));
    expect(answers).toStrictEqual([...alone, ...alone]);
    shared.sums.cache();
    expect(await Promise.all(questions.map((ask) => ask(shared)))).toStrictEqual(alone);
    await s.stop();
  },
  60_000,
);

test.each(masters)(
  "on %s a signal cancels its own action at once and frees its slots; the others end well",
  async (master) => {
    const s = await engine.open(master);
    const [started, never] = [freshGate(), freshGate()];
    const abort = new AbortController();
    const stuck: RDD<number> = s.range(0, 2, 1, 2).map(waitingFor(started, never, 60_000));
    const cancelled = stuck.collect({ signal: abort.signal });
    const running = Promise.all(questions.map((ask) => ask(all(s))));
    // Its tasks hold every slot: nobody else gets on until they are gone.
    await expect.poll(() => existsSync(started), { timeout: 20_000 }).toBe(true);
    const reason = new Error("no longer wanted");
    abort.abort(reason);
    await expect(cancelled).rejects.toMatchObject({ code: "JOB_CANCELLED", cause: reason });
    const answers = await running;
    expect(answers[0]).toBe(2_000);
    const never2 = stuck.count({ signal: AbortSignal.abort() });
    await expect(never2).rejects.toMatchObject({ code: "JOB_CANCELLED" });
    expect(await s.range(10).count()).toBe(10);
    await s.stop();
  },
  60_000,
);
