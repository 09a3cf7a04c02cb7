// Runs the attempts that the master sends on this worker's slots: each waits for its blobs and locations (launch-inputs.ts) and
// for a slot of its session, or one made anew, and runs there (slot-runs.ts). Reports every attempt's end exactly once a stream.
// An attempt marked `alone` has the worker to itself. Pure: threads, sockets and files are the shell's.

import type { WireError } from "../../core/errors.js";
import { type BlobHash, formatTaskKey, type SessionId, type TaskKey } from "../../core/ids.js";
import { type TaskLaunch, type TaskOutcome, type TaskStatus, tasksOf } from "../../protocol/tasks.js";
import type { PressureLevel } from "../../protocol/worker.js";
import { slotsUnderPressure } from "../memory-pressure.js";
import type { RunnerCommand, RunnerEvent } from "./events.js";
import { blobsOf, LaunchInputs } from "./launch-inputs.js";
import { LaunchQueue, type WaitingTasks } from "./launch-queue.js";
import type { AttemptRunnerOptions } from "./options.js";
import { SlotRuns } from "./slot-runs.js";
import { SlotTable } from "./slot-table.js";
import type { SlotState } from "./state.js";
import { ToldStatuses } from "./told-statuses.js";

/** Queued attempts looked at for one that can start, when those before it wait for blobs or locations. */
const LOOK_AHEAD = 64;

export class AttemptRunner {
  readonly #queue = new LaunchQueue();
  readonly #inputs = new LaunchInputs((hash) => this.#commands.push({ kind: "fetchBlob", hash }));
  readonly #slots: SlotTable;
  readonly #runs: SlotRuns;
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
    this.#told = new ToldStatuses(options.retellMs);
    this.#slots = new SlotTable(options.slots, options.onMove);
    this.#runs = new SlotRuns(this.#slots, options, {
      command: (command) => this.#commands.push(command),
      tell: (status) => this.#statuses.push(status),
    });
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
    return this.#slots.states;
  }

  /** Whether a launch that is here, or may come from a session that it came from, needs the blob. */
  names(hash: BlobHash): boolean {
    return this.#inputs.names(hash);
  }

  /** Every attempt here, queued ones too: what a heartbeat says. */
  get held(): TaskKey[] {
    return [...this.#queue.keys, ...this.#slots.given];
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
        if (event.onlyWaiting === true) this.#giveBack(new Set(event.keys.map(formatTaskKey)));
        else this.#cancel(event.keys, now);
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
        // Another job may have made the same value since: what waits here names it, and it is fetched anew.
        this.#inputs.blobsReleased(event.hashes);
        for (const [launch] of this.#queue) this.#inputs.want(launch);
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
        this.#runs.ready(event.slot);
        break;
      case "slotEnded":
        this.#runs.ended(event.slot, event.key, event.outcome, now);
        break;
      case "tookBack":
        this.#runs.tookBack(event.slot, event.begun);
        break;
      case "slotDied":
        this.#runs.died(event.slot, event.error);
        break;
      case "handBack":
        this.#takesNone = true;
        this.#giveBack(new Set([...this.#queue.keys, ...this.#slots.following].map(formatTaskKey)));
        break;
      case "pressure":
        this.#pressure = event.level;
        break;
      case "shutdown":
        this.#stopping = true;
        this.#cancel(this.held, now);
        break;
      case "tick":
        this.#runs.checkDeadlines(now);
        break;
    }
  }

  /** What may not have arrived, or not be known any more; then a heartbeat says what is still here. */
  #reconnected(live: readonly SessionId[], now: number): void {
    this.#connected = true;
    const alive = new Set(live);
    for (const session of this.#sessions()) if (!alive.has(session)) this.#releaseSession(session, now);
    const again: TaskStatus[] = this.#told.again(alive, now);
    this.#slots.states.forEach((state, slot) => {
      if (state.kind === "running") again.push({ kind: "running", key: state.launch.key, slot });
    });
    if (again.length > 0) this.#commands.push({ kind: "report", statuses: again });
    this.#commands.push({ kind: "heartbeat", running: this.held });
  }

  #accept(launch: TaskLaunch): void {
    if (this.#queue.has(launch.key) || this.#slots.isAt(formatTaskKey(launch.key))) return;
    const tasks = tasksOf(launch) as WaitingTasks;
    if (this.#stopping || this.#takesNone) {
      for (const { key } of tasks) this.#end(key, { kind: "cancelled" });
      return;
    }
    this.#queue.add(tasks);
    this.#inputs.want(launch);
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
    const mine = this.held.filter((key) => key.session === session);
    this.#cancel(mine, now);
    this.#inputs.sessionReleased(session);
    this.#dropping.add(session);
  }

  #dropSessions(): void {
    for (const session of this.#dropping) {
      if (this.#slots.worksFor(session)) continue;
      this.#dropping.delete(session);
      this.#told.sessionDropped(session);
      this.#slots.states.forEach((state, slot) => {
        if (state.kind === "idle" && state.session === session) this.#runs.recycle(slot);
      });
      this.#commands.push({ kind: "dropSession", session });
    }
  }

  #cancel(keys: readonly TaskKey[], now: number): void {
    const names = new Set(keys.map(formatTaskKey));
    this.#takeFromQueue(names);
    this.#runs.cancel(names, { kind: "cancelled" }, now);
  }

  /** Those that wait for a slot, or for their turn in one. */
  #giveBack(names: ReadonlySet<string>): void {
    this.#takeFromQueue(names);
    this.#runs.takeBack(names);
  }

  #takeFromQueue(names: ReadonlySet<string>): void {
    for (const key of this.#queue.take(names)) this.#end(key, { kind: "cancelled" });
  }

  /** Gives queued attempts to idle slots, in order of arrival. */
  #fill(now: number): void {
    if (this.#queue.size === 0) return;
    if (this.#slots.runsAlone) return;
    // With nothing running one may always start, however short memory is.
    const allowed = slotsUnderPressure(this.#pressure, this.#slots.size) - this.#slots.working;
    let idle = Math.min(this.#slots.idle, allowed);
    let looked = 0;
    for (const tasks of this.#queue) {
      const launch = tasks[0];
      if (idle <= 0 || ++looked > LOOK_AHEAD + this.#slots.size) return;
      if (!this.#inputs.areHere(launch)) continue;
      // Its turn: the slots empty themselves, because nothing overtakes it.
      if (launch.alone === true && this.#slots.working > 0) return;
      const slot = this.#slots.slotFor(launch.key.session);
      if (slot === null) {
        // Its turn: a slot of another session is made fresh for it.
        const other = this.#slots.anyIdle();
        if (other !== null && !this.#slots.isStarting) this.#runs.recycle(other);
        return;
      }
      this.#queue.remove(tasks);
      idle--;
      this.#runs.begin(slot, tasks, this.#inputs.locationsFor(launch), now);
      if (launch.alone === true) return;
    }
  }

  #end(key: TaskKey, outcome: TaskOutcome): void {
    this.#statuses.push({ kind: "ended", key, outcome });
  }

  #flush(now: number): void {
    if (this.#statuses.length > 0) {
      this.#told.add(this.#statuses, now);
      if (this.#connected) this.#commands.push({ kind: "report", statuses: this.#statuses });
    }
    if (this.#stopping && !this.#drained && this.#queue.size === 0 && this.#slots.working === 0) {
      this.#drained = true;
      this.#commands.push({ kind: "drained" });
    }
  }

  /** Sessions of which anything is here. */
  #sessions(): Set<SessionId> {
    const sessions = this.#told.sessions;
    for (const session of this.#inputs.sessions) sessions.add(session);
    for (const { session } of this.held) sessions.add(session);
    for (const session of this.#slots.idleSessions) sessions.add(session);
    return sessions;
  }
}
