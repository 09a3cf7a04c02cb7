// Every operation of the built engine against plain arrays, in threads: the same small program runs on the lineage model, on
// one slot and on three.

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RddSession } from "../../src/rdd/session.js";
import { type Session, sessions } from "../support/engine.js";
import { openFakeSession } from "../support/fake-session.js";
import {
  actions,
  chains,
  type OperationCase,
  runChain,
  smallInputs,
  transformations,
} from "../support/operation-cases.js";

const SEED = 20_261;
const engine = sessions();
let model: RddSession;
let masters: readonly Session[];
beforeAll(async () => {
  ({ session: model } = await openFakeSession());
  masters = [await engine.open("local[1]"), await engine.open("local[3]", { "memory.taskBytes": "64k" })];
});
afterAll(() => model.stop());

async function agree(program: (session: RddSession) => Promise<unknown>): Promise<void> {
  const expected = await program(model);
  for (const session of masters) expect(await program(session)).toStrictEqual(expected);
}

const check = ({ name, program }: OperationCase) =>
  test(name, () =>
    fc.assert(
      fc.asyncProperty(smallInputs, (input) => agree((session) => program(session, input))),
      { numRuns: 12, seed: SEED, endOnFailure: false },
    ),
  );

describe("transformations", () => transformations.forEach(check));
describe("actions", () => actions.forEach(check));

test(
  "any chain of operations",
  () =>
    fc.assert(
      fc.asyncProperty(smallInputs, chains, (input, names) => agree((session) => runChain(session, input, names))),
      { numRuns: 40, seed: SEED },
    ),
  120_000,
);
