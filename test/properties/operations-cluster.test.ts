// Every operation of the built engine against plain arrays, on worker processes: more than one map output a worker, task
// budgets so small that combining, sorting and grouping spill, blocks fetched over the network and not from a neighbour's files.

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RddSession } from "../../src/rdd/session.js";
import { type Session, sessions } from "../support/engine.js";
import { openFakeSession } from "../support/fake-session.js";
import {
  actions,
  chains,
  largeInput,
  type OperationCase,
  runChain,
  smallInputs,
  transformations,
} from "../support/operation-cases.js";

const SEED = 20_261;
const input = largeInput(6_000, SEED);
const engine = sessions();
let model: RddSession;
let cluster: Session;
beforeAll(async () => {
  ({ session: model } = await openFakeSession());
  cluster = await engine.open("local-cluster[2,1,512m]", {
    "memory.taskBytes": "16k",
    "shuffle.localReads": false,
    "shuffle.flushBytes": "128k",
  });
});
afterAll(() => model.stop());

async function agree(program: (session: RddSession) => Promise<unknown>): Promise<void> {
  const expected = await program(model);
  expect(await program(cluster)).toStrictEqual(expected);
}

const check = ({ name, program }: OperationCase) => test(name, () => agree((session) => program(session, input)));

describe("transformations", () => transformations.forEach(check));
describe("actions", () => actions.forEach(check));

test("any chain of operations", () =>
  fc.assert(
    fc.asyncProperty(smallInputs, chains, (small, names) => agree((session) => runChain(session, small, names))),
    { numRuns: 15, seed: SEED },
  ));

const concat = (a: string, b: string) => a + b;

test("both workers run tasks, and what does not fit in the budget is spilled", async () => {
  const pairs = cluster.parallelize(input.left, 8);
  const spilled: Record<string, number> = {};
  const run = async (name: string, action: () => Promise<unknown>) => {
    await action();
    spilled[name] = cluster.lastJob?.spillBytes ?? 0;
    expect(cluster.lastJob?.workers.filter(({ tasks }) => tasks > 0)).toHaveLength(2);
  };
  await run("groupByKey", () => pairs.groupByKey(2).count());
  await run("sortByKey", () => pairs.sortByKey(true, 2).count());
  await run("cogroup", () =>
    pairs
      .cogroup(
        pairs.mapValues((v) => v.length),
        2,
      )
      .count(),
  );
  // A combining table may hold 64 KiB without asking.
  const words = cluster.parallelize(largeInput(20_000, SEED).left, 2).mapValues((v) => v.repeat(8));
  await run("aggregateByKey", () => words.aggregateByKey("", concat, concat, 2).count());
  for (const [name, bytes] of Object.entries(spilled)) expect.soft(bytes, name).toBeGreaterThan(0);
});
