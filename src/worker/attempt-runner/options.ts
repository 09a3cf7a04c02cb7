// The attempt runner's options. All times in milliseconds.

export interface AttemptRunnerOptions {
  readonly slots: number;
  /** After the cancel word a slot has so long before its thread is terminated. */
  readonly terminateAfterMs: number;
  /** A thread that is not gone so long after that is written off. */
  readonly writeOffAfterMs: number;
  /** Ended attempts are told again after a broken stream, if they ended at most so long before or their result is here. */
  readonly retellMs: number;
  /** Option `task.timeout`; null: none. */
  readonly taskTimeoutMs: number | null;
  /** Sees every move of a slot, as allSlotRows spells them; for tests. */
  readonly onMove?: (row: string) => void;
}

export const defaultAttemptRunnerOptions: Omit<AttemptRunnerOptions, "slots"> = {
  terminateAfterMs: 500,
  writeOffAfterMs: 10_000,
  retellMs: 60_000,
  taskTimeoutMs: null,
};
