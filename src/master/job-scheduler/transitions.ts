// Every legal move of a stage and of a task, in one table. A move that is not there throws before anything changes, with the
// key and its last moves.
//
//   stage: idle -> waiting -> running -> (committing) -> complete -> waiting (output lost)
//                    ^  \-> sharing (another job computes the shuffle)   running -> waiting (input lost)
//   task:  pending -> launched -> running -> succeeded -> pending (output lost)
//                                 ^  v
//                                doubled (a second attempt beside a slow one) -> succeeded (either)

import { MillraceError } from "../../core/errors.js";

export const stageMoves = {
  /** Not known to be needed yet. */
  idle: { need: "waiting" },
  /** Its inputs are being computed. */
  waiting: { start: "running", share: "sharing" },
  /** Another job's stage computes the same shuffle. */
  sharing: { found: "complete", resume: "waiting" },
  running: { block: "waiting", finish: "complete", commit: "committing" },
  /** All tasks done; the part files are being made visible. */
  committing: { finish: "complete" },
  complete: { lose: "waiting" },
} as const;

export const taskMoves = {
  pending: { launch: "launched", found: "succeeded" },
  launched: { start: "running", succeed: "succeeded", retry: "pending" },
  running: { succeed: "succeeded", retry: "pending", duplicate: "doubled" },
  /** `single`, `follow`: one of the two attempts is gone, and the other runs or has yet to begin. */
  doubled: { start: "doubled", succeed: "succeeded", single: "running", follow: "launched" },
  succeeded: { lose: "pending" },
} as const;

export type StageStateKind = keyof typeof stageMoves;
export type TaskStateKind = keyof typeof taskMoves;
type KeysOfUnion<T> = T extends unknown ? keyof T : never;
export type StageMove = KeysOfUnion<(typeof stageMoves)[StageStateKind]>;
export type TaskMove = KeysOfUnion<(typeof taskMoves)[TaskStateKind]>;

/** `task pending launch launched`: one row of the table. */
export type MoveObserver = (row: string) => void;

/** How many moves a stage or task remembers for its story. */
const REMEMBERED = 8;

interface Moving {
  state: { readonly kind: string };
  readonly moves: string[];
}

/** Moves `subject` to `to`, if the table has a row for it. */
export function moveTo<S extends { readonly kind: string }>(
  machine: "stage" | "task",
  subject: { state: S; readonly moves: string[] },
  move: StageMove | TaskMove,
  to: S,
  name: () => string,
  observer: MoveObserver | undefined,
): void {
  const table: Readonly<Record<string, Readonly<Record<string, string>>>> =
    machine === "stage" ? stageMoves : taskMoves;
  const expected = table[subject.state.kind]?.[move];
  if (expected !== to.kind) throw illegal(machine, subject, move, name());
  if (observer !== undefined) observer(`${machine} ${subject.state.kind} ${move} ${to.kind}`);
  if (subject.moves.push(move) > REMEMBERED) subject.moves.shift();
  subject.state = to;
}

/** All rows, as MoveObserver spells them: tests must see each of them. */
export function allRows(): string[] {
  const rows = (machine: string, table: Readonly<Record<string, Readonly<Record<string, string>>>>) =>
    Object.entries(table).flatMap(([from, moves]) =>
      Object.entries(moves).map(([move, to]) => `${machine} ${from} ${move} ${to}`),
    );
  return [...rows("stage", stageMoves), ...rows("task", taskMoves)];
}

function illegal(machine: string, subject: Moving, move: string, name: string): MillraceError {
  const story = subject.moves.join(", ");
  return new MillraceError(
    "INTERNAL",
    `${machine} ${name} is ${subject.state.kind} and cannot ${move}; its last moves: ${story}`,
    {
      fields: { state: subject.state.kind, move, moves: [...subject.moves] },
    },
  );
}
