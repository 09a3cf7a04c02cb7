// One line per running stage on stderr while it is a terminal; silent otherwise, so that logs and pipes stay clean.

import { formatBytes } from "../core/sizes.js";
import type { StageProgress } from "../protocol/driver.js";
import { formatSkew } from "../protocol/skew.js";

/** At most ten redraws a second: a terminal is slower than a master. */
const REDRAW_MS = 100;
const BAR_WIDTH = 24;

export interface LineWriter {
  (text: string): void;
  clear(): void;
  done(): void;
}

export class ProgressBar {
  readonly #write: LineWriter;
  readonly #now: () => number;
  #drawnAt = 0;
  #shown = false;

  constructor(write: LineWriter, now: () => number = Date.now) {
    this.#write = write;
    this.#now = now;
  }

  update(stages: readonly StageProgress[]): void {
    const running = stages.filter((stage) => stage.done < stage.tasks);
    const now = this.#now();
    if (running.length === 0) {
      this.clear();
      return;
    }
    if (now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#shown = true;
    this.#write(running.flatMap((stage) => [formatStage(stage, now), ...skewLines(stage)]).join("\n"));
  }

  /** Takes the lines away, so that the program's own output stands alone. */
  clear(): void {
    if (!this.#shown) return;
    this.#shown = false;
    this.#write.clear();
  }
}

/** What the stage reads that is skewed, a line each: said below its bar. */
export function skewLines({ skew = [] }: StageProgress): string[] {
  return skew.map((finding) => `  skew: ${formatSkew(finding)}`);
}

/** `[stage 3] reduceByKey at counts.ts:9:4  [=====>     ] 12/32 (2 running, 1 failed)  1.2 M records  34.1 MB  2.4 s`. */
export function formatStage(stage: StageProgress, nowMs: number): string {
  const filled = Math.round((stage.done / Math.max(1, stage.tasks)) * BAR_WIDTH);
  const bar = `[${"=".repeat(Math.max(0, filled - 1))}${filled > 0 ? ">" : ""}${" ".repeat(BAR_WIDTH - filled)}]`;
  const failed = stage.failed > 0 ? `, ${stage.failed} failed` : "";
  return (
    `[stage ${stage.stage}] ${stage.name}  ${bar} ${stage.done}/${stage.tasks} (${stage.running} running${failed})` +
    `  ${formatCount(stage.records)} records  ${formatBytes(stage.bytes)}  ${((nowMs - stage.startedMs) / 1000).toFixed(1)} s`
  );
}

export function formatCount(count: number): string {
  if (count < 10_000) return String(count);
  if (count < 10_000_000) return `${(count / 1000).toFixed(1)} k`;
  return `${(count / 1e6).toFixed(1)} M`;
}
