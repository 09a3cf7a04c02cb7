// Runs the attempts that the master sends on this worker's slots: waits for the blobs and locations that each needs, gives it
// to a slot of its session (or recycles one), cancels by word and then by force, and reports every attempt's end exactly once
// a stream. An attempt marked `alone` has the worker to itself. Pure: threads, sockets and files are the shell's.

import { MillraceError, toWireError, type WireError } from "../../core/errors.js";
import { type BlobHash, formatTaskKey, type SessionId, type TaskKey } from "../../core/ids.js";
import { type TaskLaunch, type TaskOutcome, type TaskStatus, tasksOf } from "../../protocol/tasks.js";
import type { PressureLevel } from "../../protocol/worker.js";
import { slotsUnderPressure } from "../memory-pressure.js";
import type { RunnerCommand, RunnerEvent } from "./events.js";
import { blobsOf, LaunchInputs } from "./launch-inputs.js";
import { LaunchQueue, type WaitingTasks } from "./launch-queue.js";
import type { AttemptRunnerOptions } from "./options.js";
import { type FollowingLaunch, type SlotMove, type SlotState, slotMoves } from "./state.js";
import { ToldStatuses } from "./told-statuses.js";

/** Queued attempts looked at for one that can start, when those before it wait for blobs or locations. */
const LOOK_AHEAD = 64;

export class AttemptRunner {
  readonly #options: AttemptRunnerOptions;
  readonly #slots: { state: SlotState; readonly moves: string[] }[];
  readonly #queue = new LaunchQueue();
  readonly #inputs = new LaunchInputs((hash) => this.#commands.push({ kind: "fetchBlob", hash }));
  readonly #told: ToldStatuses;
  #statuses: TaskStatus[] = [];
  #commands: RunnerCommand[] = [];
  #connected = false;
  /** Released sessions of which an attempt still ends: what it writes must not outlive the session. */
  readonly #dropping = new Set<SessionId>();
  /** It is to go: what has not started is handed back. */
  #takesNone = false;
  #stopping = false;
  #pressure: PressureLevel = "calm";
  #drained = false;

  constructor(options: AttemptRunnerOptions) {
    this.#options = options;
    this.#told = new ToldStatuses(options.retellMs);
    this.#slots = Array.from({ length: options.slots }, () => ({ state: { kind: "idle", session: null }, moves: [] }));
  }

  handle(event: RunnerEvent, now: number): RunnerCommand[] {
    this.#commands = [];
    this.#statuses = [];
    this.#apply(event, now);
    if (this.#dropping.size > 0) this.#dropSessions();
    this.#fill(now);
    this.#flush(now);
    return this.#commands;
  }

  get slots(): readonly SlotState[] {
    return this.#slots.map((slot) => slot.state);
  }

  /** Whether a launch that is here, or may come from a session that it came from, needs the blob. */
  names(hash: BlobHash): boolean {
    return this.#inputs.names(hash);
  }

  /** Every attempt here, queued ones too: what a heartbeat says. */
  get held(): TaskKey[] {
    const given = this.#slots.flatMap(({ state }) => ("launch" in state ? [state, ...state.rest] : []));
    return [...this.#queue.keys, ...given.map(({ launch }) => launch.key)];
  }

  /** Those that no slot is at. */
  get #waiting(): TaskKey[] {
    const rest = this.#slots.flatMap(({ state }) => ("launch" in state ? state.rest : []));
    return [...this.#queue.keys, ...rest.map(({ launch }) => launch.key)];
  }

  #apply(event: RunnerEvent, now: number): void {
    switch (event.kind) {
      case "registered":
        this.#reconnected(event.liveSessions, now);
        break;
      case "connectionLost":
        this.#connected = false;
        break;
      case "launches":
        for (const launch of event.launches) this.#accept(launch);
        break;
      case "cancel":
        if (event.onlyWaiting === true) this.#giveBack(new Set(event.keys.map(formatTaskKey)), { kind: "cancelled" });
        else this.#cancel(new Set(event.keys.map(formatTaskKey)), { kind: "cancelled" }, now);
        break;
      case "mapOutputs":
        this.#inputs.learn(event.locations);
        break;
      case "blobArrived":
        this.#inputs.blobArrived(event.hash);
        break;
      case "blobFailed":
        this.#blobFailed(event.hash, event.error);
        break;
      case "blobsReleased":
        this.#release(event.hashes);
        break;
      case "resultsReleased":
        this.#told.resultsReleased(event.keys);
        break;
      case "shuffleReleased":
        this.#inputs.shuffleReleased(event.session, event.shuffle);
        break;
      case "sessionReleased":
        this.#releaseSession(event.session, now);
        break;
      case "slotReady":
        if (this.#state(event.slot).kind === "starting")
          this.#move(event.slot, "ready", { kind: "idle", session: null });
        break;
      case "slotEnded":
        this.#slotEnded(event.slot, event.key, event.outcome, now);
        break;
      case "tookBack":
        this.#tookBack(event.slot, event.begun);
        break;
      case "slotDied":
        this.#slotDied(event.slot, event.error);
        break;
      case "handBack":
        this.#takesNone = true;
        this.#giveBack(new Set(this.#waiting.map(formatTaskKey)), { kind: "cancelled" });
        break;
      case "pressure":
        this.#pressure = event.level;
        break;
      case "shutdown":
        this.#stopping = true;
        this.#cancelAll(now);
        break;
      case "tick":
        this.#checkDeadlines(now);
        break;
    }
  }

  /** What may not have arrived, or not be known any more; then a heartbeat says what is still here. */
  #reconnected(live: readonly SessionId[], now: number): void {
    this.#connected = true;
    const alive = new Set(live);
    for (const session of this.#sessions()) if (!alive.has(session)) this.#releaseSession(session, now);
    const again: TaskStatus[] = this.#told.again(alive, now);
    for (const { state } of this.#slots) {
      const slot = this.#slots.findIndex((one) => one.state === state);
      if (state.kind === "running") again.push({ kind: "running", key: state.launch.key, slot });
    }
    if (again.length > 0) this.#commands.push({ kind: "report", statuses: again });
    this.#commands.push({ kind: "heartbeat", running: this.held });
  }

  #accept(launch: TaskLaunch): void {
    if (this.#queue.has(launch.key) || this.#holds(formatTaskKey(launch.key))) return;
    const tasks = tasksOf(launch) as WaitingTasks;
    if (this.#stopping || this.#takesNone) {
      for (const { key } of tasks) this.#end(key, { kind: "cancelled" });
      return;
    }
    this.#queue.add(tasks);
    this.#inputs.want(launch);
  }

  /** Another job may have made the same value since: what waits here names it, and it is fetched anew. */
  #release(hashes: readonly BlobHash[]): void {
    this.#inputs.blobsReleased(hashes);
    for (const [launch] of this.#queue) this.#inputs.want(launch);
  }

  #blobFailed(hash: BlobHash, error: WireError): void {
    this.#inputs.blobFailed(hash);
    for (const tasks of [...this.#queue]) {
      if (!blobsOf(tasks[0]).includes(hash)) continue;
      this.#queue.remove(tasks);
      for (const { key } of tasks) this.#end(key, { kind: "failed", error, metrics: null });
    }
  }

  #releaseSession(session: SessionId, now: number): void {
    const mine = this.held.filter((key) => key.session === session).map(formatTaskKey);
    this.#cancel(new Set(mine), { kind: "cancelled" }, now);
    this.#inputs.sessionReleased(session);
    this.#dropping.add(session);
  }

  #dropSessions(): void {
    for (const session of this.#dropping) {
      if (this.#slots.some(({ state }) => "launch" in state && state.launch.key.session === session)) continue;
      this.#dropping.delete(session);
      this.#told.sessionDropped(session);
      this.#slots.forEach(({ state }, slot) => {
        if (state.kind === "idle" && state.session === session) this.#recycle(slot);
      });
      this.#commands.push({ kind: "dropSession", session });
    }
  }

  #cancel(names: ReadonlySet<string>, outcome: TaskOutcome, now: number): void {
    // What a slot has begun unheard stops when its turn is known to have come.
    for (const slot of this.#slots) {
      const { state } = slot;
      if (!("launch" in state) || !state.rest.some(({ launch }) => names.has(formatTaskKey(launch.key)))) continue;
      const rest = state.rest.map((one) => (names.has(formatTaskKey(one.launch.key)) ? { ...one, outcome } : one));
      slot.state = { ...state, rest };
    }
    this.#giveBack(names, outcome);
    this.#slots.forEach(({ state }, slot) => {
      if (state.kind === "running" && names.has(formatTaskKey(state.launch.key)))
        this.#cancelCurrent(slot, outcome, now);
    });
  }

  #cancelCurrent(slot: number, outcome: TaskOutcome, now: number): void {
    const { launch, rest, ended } = this.#state(slot) as SlotState & { kind: "running" };
    this.#move(slot, "cancel", { kind: "cancelling", launch, rest, ended, sinceMs: now, outcome });
    this.#commands.push({ kind: "cancelWord", slot, key: launch.key });
  }

  /** Those that wait for a slot, or for their turn in one. */
  #giveBack(names: ReadonlySet<string>, outcome: TaskOutcome): void {
    for (const key of this.#queue.take(names)) this.#end(key, outcome);
    const isMeant = ({ key }: TaskLaunch) => names.has(formatTaskKey(key));
    this.#slots.forEach(({ state }, slot) => {
      if ("launch" in state && state.kind !== "killing" && state.rest.some(({ launch }) => isMeant(launch)))
        this.#commands.push({ kind: "takeBack", slot });
    });
  }

  #tookBack(slot: number, begun: number): void {
    const record = this.#slots[slot] as { state: SlotState };
    const { state } = record;
    // With its thread all of it goes.
    if (state.kind !== "running" && state.kind !== "cancelling") return;
    const going = begun - state.ended;
    const { launch, rest } = state;
    this.#handBack(rest.slice(Math.max(0, going - 1)));
    if (going > 0) {
      record.state = { ...state, rest: rest.slice(0, going - 1) };
      return;
    }
    // Not even the one whose turn it was has begun.
    this.#move(slot, "ended", { kind: "idle", session: launch.key.session });
    this.#end(launch.key, state.kind === "cancelling" ? state.outcome : { kind: "cancelled" });
  }

  /** What a slot was given and will not run. */
  #handBack(rest: readonly FollowingLaunch[]): void {
    for (const { launch, outcome } of rest) this.#end(launch.key, outcome ?? { kind: "cancelled" });
  }

  #cancelAll(now: number): void {
    this.#cancel(new Set(this.held.map(formatTaskKey)), { kind: "cancelled" }, now);
  }

  #slotEnded(slot: number, key: TaskKey, outcome: TaskOutcome, now: number): void {
    const { state } = this.#slots[slot] as { state: SlotState };
    if (!("launch" in state) || formatTaskKey(state.launch.key) !== formatTaskKey(key)) return;
    // The order to kill it is on its way: slotDied follows.
    if (state.kind === "killing") return;
    // Done before it saw the word: what it did counts, unless it did not finish.
    const said = state.kind === "cancelling" && outcome.kind !== "succeeded" ? state.outcome : outcome;
    const [next, ...rest] = state.rest;
    if (next === undefined || outcome.kind !== "succeeded") {
      this.#move(slot, "ended", { kind: "idle", session: key.session });
      this.#end(key, said);
      this.#handBack(state.rest);
      return;
    }
    this.#move(slot, "next", { kind: "running", launch: next.launch, rest, ended: state.ended + 1, sinceMs: now });
    this.#end(key, said);
    this.#statuses.push({ kind: "running", key: next.launch.key, slot });
    if (next.outcome !== null) this.#cancelCurrent(slot, next.outcome, now);
  }

  #slotDied(slot: number, error: WireError): void {
    const { state } = this.#slots[slot] as { state: SlotState };
    if (state.kind === "starting" || state.kind === "writtenOff") return;
    this.#move(slot, "died", { kind: "starting" });
    this.#commands.push({ kind: "startSlot", slot });
    if (state.kind === "running") this.#end(state.launch.key, { kind: "failed", error, metrics: null });
    if (state.kind === "cancelling" || state.kind === "killing") this.#end(state.launch.key, state.outcome);
    if ("launch" in state) this.#handBack(state.rest);
  }

  #checkDeadlines(now: number): void {
    const { terminateAfterMs, writeOffAfterMs, taskTimeoutMs } = this.#options;
    this.#slots.forEach(({ state }, slot) => {
      if (state.kind === "running" && taskTimeoutMs !== null && now - state.sinceMs >= taskTimeoutMs) {
        this.#cancel(new Set([formatTaskKey(state.launch.key)]), timedOut(state.launch.key, taskTimeoutMs), now);
      } else if (state.kind === "cancelling" && now - state.sinceMs >= terminateAfterMs) {
        this.#move(slot, "kill", { ...state, kind: "killing", sinceMs: now });
        this.#commands.push({ kind: "killSlot", slot });
      } else if (state.kind === "killing" && now - state.sinceMs >= writeOffAfterMs) {
        this.#move(slot, "giveUp", { kind: "writtenOff" });
        this.#commands.push({ kind: "slotWrittenOff", slot });
        this.#end(state.launch.key, state.outcome);
        this.#handBack(state.rest);
      }
    });
  }

  /** Gives queued attempts to idle slots, in order of arrival. */
  #fill(now: number): void {
    if (this.#queue.size === 0) return;
    if (this.#runsAlone()) return;
    const running = this.#slots.filter(({ state }) => "launch" in state).length;
    const idleSlots = this.#slots.filter(({ state }) => state.kind === "idle").length;
    // With nothing running one may always start, however short memory is.
    let idle = Math.min(idleSlots, slotsUnderPressure(this.#pressure, this.#slots.length) - running);
    let looked = 0;
    for (const tasks of this.#queue) {
      const [launch, ...rest] = tasks;
      if (idle <= 0 || ++looked > LOOK_AHEAD + this.#slots.length) return;
      if (!this.#inputs.areHere(launch)) continue;
      // Its turn: the slots empty themselves, because nothing overtakes it.
      if (launch.alone === true && this.#slots.some(({ state }) => "launch" in state)) return;
      const slot = this.#slotFor(launch.key.session);
      if (slot === null) {
        // Its turn: a slot of another session is made fresh for it.
        const other = this.#slots.findIndex(({ state }) => state.kind === "idle");
        const starting = this.#slots.some(({ state }) => state.kind === "starting");
        if (other >= 0 && !starting) this.#recycle(other);
        return;
      }
      this.#queue.remove(tasks);
      idle--;
      const following = rest.map((one) => ({ launch: one, outcome: null }));
      this.#move(slot, "run", { kind: "running", launch, rest: following, ended: 0, sinceMs: now });
      this.#commands.push({ kind: "run", slot, launch, rest, locations: this.#inputs.locationsFor(launch) });
      this.#statuses.push({ kind: "running", key: launch.key, slot });
      if (launch.alone === true) return;
    }
  }

  #runsAlone(): boolean {
    return this.#slots.some(({ state }) => "launch" in state && state.launch.alone === true);
  }

  /** One that has the session already, else a fresh one. */
  #slotFor(session: SessionId): number | null {
    let fresh: number | null = null;
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const state = this.#state(slot);
      if (state.kind !== "idle") continue;
      if (state.session === session) return slot;
      if (state.session === null) fresh ??= slot;
    }
    return fresh;
  }

  #recycle(slot: number): void {
    this.#move(slot, "recycle", { kind: "starting" });
    this.#commands.push({ kind: "startSlot", slot });
  }

  #end(key: TaskKey, outcome: TaskOutcome): void {
    this.#statuses.push({ kind: "ended", key, outcome });
  }

  #flush(now: number): void {
    if (this.#statuses.length > 0) {
      this.#told.add(this.#statuses, now);
      if (this.#connected) this.#commands.push({ kind: "report", statuses: this.#statuses });
    }
    const busy = this.#queue.size > 0 || this.#slots.some(({ state }) => "launch" in state);
    if (this.#stopping && !busy && !this.#drained) {
      this.#drained = true;
      this.#commands.push({ kind: "drained" });
    }
  }

  #sessions(): Set<SessionId> {
    const sessions = this.#told.sessions;
    for (const session of this.#inputs.sessions) sessions.add(session);
    for (const key of this.held) sessions.add(key.session);
    for (const { state } of this.#slots)
      if (state.kind === "idle" && state.session !== null) sessions.add(state.session);
    return sessions;
  }

  #holds(name: string): boolean {
    return this.#slots.some(({ state }) => "launch" in state && formatTaskKey(state.launch.key) === name);
  }

  #state(slot: number): SlotState {
    const found = this.#slots[slot];
    if (found === undefined) throw new MillraceError("INTERNAL", `this worker has no slot ${slot}`);
    return found.state;
  }

  #move(slot: number, move: SlotMove, to: SlotState): void {
    const record = this.#slots[slot] as { state: SlotState; readonly moves: string[] };
    const legal: Readonly<Record<string, string>> = slotMoves[record.state.kind];
    if (legal[move] !== to.kind) {
      const story = record.moves.join(", ");
      throw new MillraceError(
        "INTERNAL",
        `slot ${slot} is ${record.state.kind} and cannot ${move}; its last moves: ${story}`,
      );
    }
    this.#options.onMove?.(`${record.state.kind} ${move} ${to.kind}`);
    if (record.moves.push(move) > 8) record.moves.shift();
    record.state = to;
  }
}

function timedOut(key: TaskKey, ms: number): TaskOutcome {
  const message = `the task ${formatTaskKey(key)} ran longer than task.timeout (${ms} ms)`;
  const { stack: _, ...error } = toWireError(new MillraceError("TASK_TIMEOUT", message, { fields: { timeoutMs: ms } }));
  return { kind: "failed", error, metrics: null };
}
