// A slot as the attempt runner sees it.
//
//   starting -> idle -> running -> idle          running -> cancelling -> killing -> starting | writtenOff
//      ^          \ another session's turn: recycled /

import type { SessionId } from "../../core/ids.js";
import type { TaskLaunch, TaskOutcome } from "../../protocol/tasks.js";

/** What a slot was given to run. */
export interface SlotRunning {
  /** Of its tasks that which has not ended. */
  readonly launch: TaskLaunch;
  /** Those after it: it may have begun some of them already. */
  readonly rest: readonly FollowingLaunch[];
  /** Tasks of the run that have ended. */
  readonly ended: number;
}

export interface FollowingLaunch {
  readonly launch: TaskLaunch;
  /** It was cancelled, with this to be told, and may have begun; null: it was not. */
  readonly outcome: TaskOutcome | null;
}

export type SlotState =
  /** A fresh thread is being made; it belongs to nobody yet. */
  | { readonly kind: "starting" }
  /** `session`: whose functions and values it has; null for a fresh thread. */
  | { readonly kind: "idle"; readonly session: SessionId | null }
  | ({ readonly kind: "running"; readonly sinceMs: number } & SlotRunning)
  /** The word is set; `outcome` is what will be reported. */
  | ({ readonly kind: "cancelling"; readonly sinceMs: number; readonly outcome: TaskOutcome } & SlotRunning)
  | ({ readonly kind: "killing"; readonly sinceMs: number; readonly outcome: TaskOutcome } & SlotRunning)
  /** Its thread does not end: the worker restarts once its other slots are done. */
  | { readonly kind: "writtenOff" };

/** A slot with a run. */
export type WorkingSlot = Extract<SlotState, SlotRunning>;

/** Legal moves of a slot. */
export const slotMoves = {
  starting: { ready: "idle" },
  idle: { run: "running", recycle: "starting", died: "starting" },
  running: { ended: "idle", next: "running", cancel: "cancelling", died: "starting" },
  cancelling: { ended: "idle", next: "running", kill: "killing", died: "starting" },
  killing: { died: "starting", giveUp: "writtenOff" },
  writtenOff: {},
} as const satisfies Record<SlotState["kind"], Readonly<Record<string, SlotState["kind"]>>>;

type KeysOfUnion<T> = T extends unknown ? keyof T : never;
export type SlotMove = KeysOfUnion<(typeof slotMoves)[SlotState["kind"]]>;

/** All rows of the table, `running cancel cancelling`: tests must see each of them. */
export function allSlotRows(): string[] {
  return Object.entries(slotMoves).flatMap(([from, moves]) =>
    Object.entries(moves).map(([move, to]) => `${from} ${move} ${to}`),
  );
}
