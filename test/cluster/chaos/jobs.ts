// The jobs that faults happen to, small and with everything in them that can break: two shuffles, grouped values, an order,
// blocks of several frames. Each is a function of its input alone, so the answer of a calm run is the answer.

import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RDD } from "../../../src/rdd/rdd.js";
import type { Session } from "../../support/engine.js";

export const RECORDS = 40_000;
export const MAPS = 8;
export const REDUCERS = 5;

/** A job's answer as a text. New RDDs at each call: nothing of an earlier run is used again. */
export type Job = (session: Session) => Promise<string>;

function words(session: Session): RDD<readonly [string, string]> {
  return session
    .range(0, RECORDS, 1, MAPS)
    .map((n): [string, string] => [`key ${(n * 7919) % 997}`, `${n.toString(36)} of the records`]);
}

/** Groups, folds the values in their order, sorts: map stage, reduce and map stage, result stage. */
export const shuffleJob: Job = async (session) => {
  const folded = words(session)
    .groupByKey(REDUCERS)
    .mapValues((all) => {
      let hash = 7;
      let count = 0;
      for (const text of all) {
        for (let at = 0; at < text.length; at += 5) hash = Math.imul(hash, 31) + text.charCodeAt(at);
        count++;
      }
      return `${count} ${hash}`;
    })
    .sortByKey(true, 3);
  return JSON.stringify(await folded.collect());
};

/** A cached RDD that is read by as many tasks as there are partitions, some of them far from it. */
export const cachedJob: Job = async (session) => {
  const kept = words(session).partitionBy(MAPS).persist("MEMORY_AND_DISK");
  const count = await kept.count();
  // One task that reads what all workers hold, one that reads each where it is.
  const far = await kept
    .coalesce(1)
    .map(([key, text]) => key.length * text.length)
    .reduce((a, b) => (a * 31 + b) % 1_000_003);
  const near = await kept.map(([, text]) => text.length).reduce((a, b) => a + b);
  await kept.unpersist();
  return JSON.stringify({ count, far, near });
};

/** Results that are too large for a status, so that the master fetches them from the workers. */
export const resultJob: Job = async (session) => {
  const texts = await session
    .range(0, MAPS, 1, MAPS)
    .map((n) => `result ${n} `.repeat(20_000))
    .collect();
  return texts.join("\n");
};

/** Waits until tasks run in `workers` processes at once, so that every slot has one; the pids of the processes. */
export async function gatheredPids(session: Session, workers: number, directory: string): Promise<number[]> {
  const gate = join(directory, `gate-${Date.now()}`);
  mkdirSync(gate);
  await session
    .range(0, workers, 1, workers)
    .map((n) => {
      // A second attempt of a slow task has a slot too.
      writeFileSync(join(gate, String(process.pid)), "");
      const waiting = new Int32Array(new SharedArrayBuffer(4));
      const deadline = Date.now() + 30_000;
      while (readdirSync(gate).length < workers) {
        if (Date.now() > deadline) throw new Error(`after 30 s tasks run in fewer than ${workers} processes at once`);
        Atomics.wait(waiting, 0, 0, 5);
      }
      return n;
    })
    .collect();
  return readdirSync(gate).map(Number);
}
