// The tasks of one stage that wait for a slot. Entries are taken lazily: a queue may name a task that is pending no more,
// and whoever takes it asks `isPending` first. So nothing is ever searched.

import type { StageId, WorkerId } from "../../core/ids.js";

export class Fifo {
  #items: number[] = [];
  #head = 0;

  push(item: number): void {
    this.#items.push(item);
  }

  /** The first that still counts; those before it are dropped. */
  take(counts: (item: number) => boolean): number | null {
    while (this.#head < this.#items.length) {
      const item = this.#items[this.#head++] as number;
      if (this.#head === this.#items.length) {
        this.#items = [];
        this.#head = 0;
      }
      if (counts(item)) return item;
    }
    return null;
  }
}

/** What the scheduler knows of a stage's tasks. Asked when a task is about to be taken. */
export interface StageGate {
  isPending(partition: number): boolean;
  /** Whether tasks of the stage may be launched together. */
  readonly groups: boolean;
  /** Whether `next` waits for a slot as well and may run in that of `first` after it. */
  mayFollow(first: number, next: number): boolean;
  /** Whether tasks without a past may go there. */
  allows(worker: WorkerId): boolean;
  /** Whether this task may go there. */
  allowsTask(partition: number, worker: WorkerId): boolean;
  /** Whether a second attempt of this task may go there. */
  allowsCopy(partition: number, worker: WorkerId): boolean;
}

export interface StageQueue {
  /** Job first, then stage: the order within a session. */
  readonly job: number;
  readonly stage: StageId;
  readonly gate: StageGate;
  pending: number;
  /** Pending tasks that not every worker will do for; few, and looked at one by one. */
  readonly choosy: Set<number>;
  /** Running tasks that shall have a second attempt. */
  readonly copies: Set<number>;
  /** Tasks with a place they would rather run at. */
  readonly byWorker: Map<WorkerId, Fifo>;
  readonly byNode: Map<string, Fifo>;
  readonly preferring: Fifo;
  readonly anywhere: Fifo;
  /** Since when nothing was launched at its best place: what the locality wait counts from. */
  localSinceMs: number;
  meanTaskMs: number | null;
}
