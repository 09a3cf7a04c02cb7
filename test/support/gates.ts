// Tasks that wait for one another by files: a gate is open when its file is there.

import { existsSync, writeFileSync } from "node:fs";

/** Opens the gate `own`, then waits for `other`. Throws after `deadlineMs`, so that a test which would hang fails. */
export function waitingFor(own: string, other: string, deadlineMs = 20_000): (n: number) => number {
  return (n) => {
    writeFileSync(own, "");
    const waiting = new Int32Array(new SharedArrayBuffer(4));
    const deadline = Date.now() + deadlineMs;
    while (!existsSync(other)) {
      if (Date.now() > deadline) throw new Error(`nobody opened ${other} within ${deadlineMs} ms`);
      Atomics.wait(waiting, 0, 0, 5);
    }
    return n;
  };
}
