// The processes that run tasks, asked by tasks.

import { existsSync, writeFileSync } from "node:fs";
import type { Session } from "./engine.js";

/** Of tasks that wait for each other, so that every slot gets one; `gate`: a path of their own, for files beside it. */
export function pidsBehind(gate: string, s: Session, workers: number): Promise<number[]> {
  return s
    .range(0, workers, 1, workers)
    .map((n) => {
      writeFileSync(`${gate}-${n}`, "");
      const waiting = new Int32Array(new SharedArrayBuffer(4));
      const deadline = Date.now() + 30_000;
      for (let at = 0; at < workers; at++) {
        while (!existsSync(`${gate}-${at}`) && Date.now() < deadline) Atomics.wait(waiting, 0, 0, 5);
      }
      return process.pid;
    })
    .collect();
}
