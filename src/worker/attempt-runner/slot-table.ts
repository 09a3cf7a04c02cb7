// The slots of this worker, each in a state of state.ts. A state changes here and nowhere else, by a legal move; what is asked
// of all slots at once is asked here too. What a move leads to is not known here.

import { MillraceError } from "../../core/errors.js";
import { formatTaskKey, type SessionId, type TaskKey } from "../../core/ids.js";
import { type FollowingLaunch, type SlotMove, type SlotState, slotMoves, type WorkingSlot } from "./state.js";

interface SlotRecord {
  state: SlotState;
  /** The last ones, for the message of an illegal one. */
  readonly moves: string[];
}

const MOVES_KEPT = 8;

export class SlotTable {
  readonly #slots: readonly SlotRecord[];

  /** `onMove`: option of the attempt runner. */
  constructor(
    size: number,
    private readonly onMove: ((row: string) => void) | undefined,
  ) {
    this.#slots = Array.from({ length: size }, () => ({ state: { kind: "idle", session: null }, moves: [] }));
  }

  get size(): number {
    return this.#slots.length;
  }

  get states(): SlotState[] {
    return this.#slots.map(({ state }) => state);
  }

  state(slot: number): SlotState {
    return this.#record(slot).state;
  }

  move(slot: number, move: SlotMove, to: SlotState): void {
    const record = this.#record(slot);
    const legal: Readonly<Record<string, string>> = slotMoves[record.state.kind];
    if (legal[move] !== to.kind) {
      const story = record.moves.join(", ");
      throw new MillraceError(
        "INTERNAL",
        `slot ${slot} is ${record.state.kind} and cannot ${move}; its last moves: ${story}`,
      );
    }
    this.onMove?.(`${record.state.kind} ${move} ${to.kind}`);
    if (record.moves.push(move) > MOVES_KEPT) record.moves.shift();
    record.state = to;
  }

  /** What follows in the slot is other tasks, or has another outcome: no move. */
  setRest(slot: number, state: WorkingSlot, rest: readonly FollowingLaunch[]): void {
    this.#record(slot).state = { ...state, rest };
  }

  /** Slots with a run. */
  get working(): number {
    let count = 0;
    for (const { state } of this.#slots) if ("launch" in state) count++;
    return count;
  }

  get idle(): number {
    let count = 0;
    for (const { state } of this.#slots) if (state.kind === "idle") count++;
    return count;
  }

  get isStarting(): boolean {
    return this.#slots.some(({ state }) => state.kind === "starting");
  }

  /** Whether an attempt is there that has the worker to itself. */
  get runsAlone(): boolean {
    return this.#slots.some(({ state }) => "launch" in state && state.launch.alone === true);
  }

  /** An idle one that has the session already, else a fresh one; null: there is neither. */
  slotFor(session: SessionId): number | null {
    let fresh: number | null = null;
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const state = this.state(slot);
      if (state.kind !== "idle") continue;
      if (state.session === session) return slot;
      if (state.session === null) fresh ??= slot;
    }
    return fresh;
  }

  /** An idle one, whatever its session. */
  anyIdle(): number | null {
    const slot = this.#slots.findIndex(({ state }) => state.kind === "idle");
    return slot < 0 ? null : slot;
  }

  /** Whether a slot is at the attempt. */
  isAt(name: string): boolean {
    return this.#slots.some(({ state }) => "launch" in state && formatTaskKey(state.launch.key) === name);
  }

  worksFor(session: SessionId): boolean {
    return this.#slots.some(({ state }) => "launch" in state && state.launch.key.session === session);
  }

  /** Of all runs the tasks that have not ended. */
  get given(): TaskKey[] {
    return this.#slots.flatMap(({ state }) =>
      "launch" in state ? [state.launch.key, ...state.rest.map(({ launch }) => launch.key)] : [],
    );
  }

  /** Those of them that follow another one. */
  get following(): TaskKey[] {
    return this.#slots.flatMap(({ state }) => ("launch" in state ? state.rest.map(({ launch }) => launch.key) : []));
  }

  /** Whose functions and values idle slots have. */
  get idleSessions(): SessionId[] {
    return this.#slots.flatMap(({ state }) => (state.kind === "idle" && state.session !== null ? [state.session] : []));
  }

  #record(slot: number): SlotRecord {
    const record = this.#slots[slot];
    if (record === undefined) throw new MillraceError("INTERNAL", `this worker has no slot ${slot}`);
    return record;
  }
}
