// What tasks print, on the driver's stderr: `[stage.partition] line`, at most 1,000 lines a second, then their count.

import type { MasterToDriver } from "../protocol/driver.js";

/** What a task has printed: its stage and partition, "stdout" or "stderr", the text; or how many lines were `dropped`. */
export type TaskLog = MasterToDriver & { kind: "log" };

const LINES_PER_SECOND = 1_000;

export class TaskLogPrinter {
  #second = -1;
  #printed = 0;
  #dropped = 0;

  /** `now` in milliseconds. */
  constructor(
    private readonly write: (text: string) => void,
    private readonly now: () => number,
  ) {}

  print(log: TaskLog): void {
    const second = Math.floor(this.now() / 1000);
    if (second !== this.#second) {
      this.flush();
      this.#second = second;
      this.#printed = 0;
    }
    if (log.dropped !== undefined) {
      this.#dropped += log.dropped;
      return;
    }
    if (this.#printed >= LINES_PER_SECOND) {
      this.#dropped++;
      return;
    }
    this.#printed++;
    const text = log.text.endsWith("\n") ? log.text.slice(0, -1) : log.text;
    this.write(`[${log.stage}.${log.partition}] ${text}\n`);
  }

  /** Tells how many lines were left out, if any. */
  flush(): void {
    if (this.#dropped === 0) return;
    this.write(`[millrace] ${this.#dropped} more lines of tasks in that second are not shown\n`);
    this.#dropped = 0;
  }
}
