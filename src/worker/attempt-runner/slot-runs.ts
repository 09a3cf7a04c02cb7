// What becomes of the runs that slots are given, and of the slots' threads: a run begins, ends task by task, is cancelled by
// word and then by force, is taken back as far as it has not begun, or goes with its thread. Every task of a run is told to
// have ended exactly once. Which launch gets a slot, and when, is decided elsewhere.

import { MillraceError, toWireError, type WireError } from "../../core/errors.js";
import { formatTaskKey, type TaskKey } from "../../core/ids.js";
import type { MapOutputLocations, TaskOutcome, TaskStatus } from "../../protocol/tasks.js";
import type { RunnerCommand } from "./events.js";
import type { WaitingTasks } from "./launch-queue.js";
import type { AttemptRunnerOptions } from "./options.js";
import type { SlotTable } from "./slot-table.js";
import type { FollowingLaunch, SlotState } from "./state.js";

export interface SlotRunsPorts {
  command(command: RunnerCommand): void;
  /** To the master, once the event is dealt with. */
  tell(status: TaskStatus): void;
}

type Deadlines = Pick<AttemptRunnerOptions, "terminateAfterMs" | "writeOffAfterMs" | "taskTimeoutMs">;

export class SlotRuns {
  constructor(
    private readonly table: SlotTable,
    private readonly deadlines: Deadlines,
    private readonly ports: SlotRunsPorts,
  ) {}

  begin(slot: number, tasks: WaitingTasks, locations: readonly MapOutputLocations[], now: number): void {
    const [launch, ...rest] = tasks;
    const following = rest.map((one) => ({ launch: one, outcome: null }));
    this.table.move(slot, "run", { kind: "running", launch, rest: following, ended: 0, sinceMs: now });
    this.ports.command({ kind: "run", slot, launch, rest, locations });
    this.ports.tell({ kind: "running", key: launch.key, slot });
  }

  ended(slot: number, key: TaskKey, outcome: TaskOutcome, now: number): void {
    const state = this.table.state(slot);
    if (!("launch" in state) || formatTaskKey(state.launch.key) !== formatTaskKey(key)) return;
    // The order to kill it is on its way: its thread's death follows.
    if (state.kind === "killing") return;
    // Done before it saw the word: what it did counts, unless it did not finish.
    const said = state.kind === "cancelling" && outcome.kind !== "succeeded" ? state.outcome : outcome;
    const [next, ...rest] = state.rest;
    if (next === undefined || outcome.kind !== "succeeded") {
      this.table.move(slot, "ended", { kind: "idle", session: key.session });
      this.#end(key, said);
      this.#handBack(state.rest);
      return;
    }
    this.table.move(slot, "next", { kind: "running", launch: next.launch, rest, ended: state.ended + 1, sinceMs: now });
    this.#end(key, said);
    this.ports.tell({ kind: "running", key: next.launch.key, slot });
    if (next.outcome !== null) this.#cancelCurrent(slot, next.outcome, now);
  }

  /** Those that run get the word; those that wait for their turn are taken back. */
  cancel(names: ReadonlySet<string>, outcome: TaskOutcome, now: number): void {
    for (let slot = 0; slot < this.table.size; slot++) this.#setOutcome(slot, names, outcome);
    this.takeBack(names);
    for (let slot = 0; slot < this.table.size; slot++) {
      const state = this.table.state(slot);
      if (state.kind === "running" && names.has(formatTaskKey(state.launch.key)))
        this.#cancelCurrent(slot, outcome, now);
    }
  }

  /** What a slot has begun unheard stops when its turn is known to have come. */
  #setOutcome(slot: number, names: ReadonlySet<string>, outcome: TaskOutcome): void {
    const state = this.table.state(slot);
    if (!("launch" in state) || !hasOneOf(state.rest, names)) return;
    const rest = state.rest.map((one) => (names.has(formatTaskKey(one.launch.key)) ? { ...one, outcome } : one));
    this.table.setRest(slot, state, rest);
  }

  #cancelCurrent(slot: number, outcome: TaskOutcome, now: number): void {
    const { launch, rest, ended } = this.table.state(slot) as SlotState & { kind: "running" };
    this.table.move(slot, "cancel", { kind: "cancelling", launch, rest, ended, sinceMs: now, outcome });
    this.ports.command({ kind: "cancelWord", slot, key: launch.key });
  }

  /** Those that wait for their turn in a slot; `tookBack` hears which they were. */
  takeBack(names: ReadonlySet<string>): void {
    for (let slot = 0; slot < this.table.size; slot++) {
      const state = this.table.state(slot);
      if ("launch" in state && state.kind !== "killing" && hasOneOf(state.rest, names))
        this.ports.command({ kind: "takeBack", slot });
    }
  }

  tookBack(slot: number, begun: number): void {
    const state = this.table.state(slot);
    // With its thread all of it goes.
    if (state.kind !== "running" && state.kind !== "cancelling") return;
    const going = begun - state.ended;
    const { launch, rest } = state;
    this.#handBack(rest.slice(Math.max(0, going - 1)));
    if (going > 0) {
      this.table.setRest(slot, state, rest.slice(0, going - 1));
      return;
    }
    // Not even the one whose turn it was has begun.
    this.table.move(slot, "ended", { kind: "idle", session: launch.key.session });
    this.#end(launch.key, state.kind === "cancelling" ? state.outcome : { kind: "cancelled" });
  }

  /** The slot's thread is made anew, for another session. */
  recycle(slot: number): void {
    this.table.move(slot, "recycle", { kind: "starting" });
    this.ports.command({ kind: "startSlot", slot });
  }

  ready(slot: number): void {
    if (this.table.state(slot).kind === "starting") this.table.move(slot, "ready", { kind: "idle", session: null });
  }

  died(slot: number, error: WireError): void {
    const state = this.table.state(slot);
    if (state.kind === "starting" || state.kind === "writtenOff") return;
    this.table.move(slot, "died", { kind: "starting" });
    this.ports.command({ kind: "startSlot", slot });
    if (state.kind === "running") this.#end(state.launch.key, { kind: "failed", error, metrics: null });
    if (state.kind === "cancelling" || state.kind === "killing") this.#end(state.launch.key, state.outcome);
    if ("launch" in state) this.#handBack(state.rest);
  }

  checkDeadlines(now: number): void {
    const { terminateAfterMs, writeOffAfterMs, taskTimeoutMs } = this.deadlines;
    for (let slot = 0; slot < this.table.size; slot++) {
      const state = this.table.state(slot);
      if (state.kind === "running" && taskTimeoutMs !== null && now - state.sinceMs >= taskTimeoutMs) {
        this.#cancelCurrent(slot, timedOut(state.launch.key, taskTimeoutMs), now);
      } else if (state.kind === "cancelling" && now - state.sinceMs >= terminateAfterMs) {
        this.table.move(slot, "kill", { ...state, kind: "killing", sinceMs: now });
        this.ports.command({ kind: "killSlot", slot });
      } else if (state.kind === "killing" && now - state.sinceMs >= writeOffAfterMs) {
        this.table.move(slot, "giveUp", { kind: "writtenOff" });
        this.ports.command({ kind: "slotWrittenOff", slot });
        this.#end(state.launch.key, state.outcome);
        this.#handBack(state.rest);
      }
    }
  }

  /** What a slot was given and will not run. */
  #handBack(rest: readonly FollowingLaunch[]): void {
    for (const { launch, outcome } of rest) this.#end(launch.key, outcome ?? { kind: "cancelled" });
  }

  #end(key: TaskKey, outcome: TaskOutcome): void {
    this.ports.tell({ kind: "ended", key, outcome });
  }
}

function hasOneOf(rest: readonly FollowingLaunch[], names: ReadonlySet<string>): boolean {
  return rest.some(({ launch }) => names.has(formatTaskKey(launch.key)));
}

function timedOut(key: TaskKey, ms: number): TaskOutcome {
  const message = `the task ${formatTaskKey(key)} ran longer than task.timeout (${ms} ms)`;
  const { stack: _, ...error } = toWireError(new MillraceError("TASK_TIMEOUT", message, { fields: { timeoutMs: ms } }));
  return { kind: "failed", error, metrics: null };
}
