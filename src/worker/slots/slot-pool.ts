// The slots of a worker: gives an attempt to a slot with just what that slot does not know yet (fragment, locations), turns
// what comes back into the outcome that the master is told, stores what was computed for the cache, and watches memory.

import { MillraceError, type WireError } from "../../core/errors.js";
import { formatTaskKey, type ShuffleId, type TaskKey } from "../../core/ids.js";
import { unpack } from "../../core/packed.js";
import { formatCallSite } from "../../plan/function.js";
import type { Fragment } from "../../plan/stages.js";
import {
  generationOf,
  type MapOutputLocations,
  noMetrics,
  type TaskLaunch,
  type TaskOutcome,
} from "../../protocol/tasks.js";
import type { PressureLevel } from "../../protocol/worker.js";
import type { CacheStore } from "../cache-store.js";
import type { CachedBlock, SlotOutcome } from "../slot/messages.js";
import { MemoryGuard, type SlotWork, type WatchedMemory } from "./memory-guard.js";
import type { SlotThread } from "./slot.js";
import { SlotKnowledge } from "./slot-knowledge.js";

export interface SlotPoolOptions {
  readonly cache: CacheStore;
  /** What the memory watch holds the slots to; null: no watch. */
  readonly memory: WatchedMemory | null;
  /** Bytes that the operators of one task may reserve, for messages. */
  readonly taskBytes: number;
  /** Memory is short, or no longer. */
  readonly onPressure: (level: PressureLevel) => void;
}

interface Seat {
  readonly thread: SlotThread;
  readonly knowledge: SlotKnowledge;
  /** Number of the last task that it was given. */
  run: number;
  startedAtMs: number;
  running: SeatRun | null;
  /** Why the run in the slot was ended by us, to be told instead of the thread's end. */
  ending: MillraceError | null;
  terminating: Promise<void> | null;
}

interface SeatRun {
  /** In the order in which they run. */
  readonly tasks: readonly TaskLaunch[];
  /** Number of the first. */
  readonly run: number;
  /** Those that have ended. */
  ended: number;
  readonly fragment: Uint8Array;
}

export class SlotPool {
  readonly #seats: readonly Seat[];
  readonly #options: SlotPoolOptions;
  #closed = false;
  readonly #guard: MemoryGuard | null = null;

  constructor(threads: readonly SlotThread[], options: SlotPoolOptions) {
    this.#options = options;
    this.#seats = threads.map((thread) => ({
      thread,
      knowledge: new SlotKnowledge(),
      run: 0,
      startedAtMs: 0,
      running: null,
      ending: null,
      terminating: null,
    }));
    if (options.memory === null) return;
    this.#guard = new MemoryGuard({
      memory: options.memory,
      taskBytes: options.taskBytes,
      slots: () =>
        this.#seats.map(({ thread: { control }, startedAtMs, terminating }) => ({
          control,
          startedAtMs,
          ending: terminating !== null,
        })),
      workOf: (slot) => this.#workOf(slot),
      evict: (bytes) => options.cache.evict(bytes),
      onPressure: options.onPressure,
      kill: (slot, reason) => void this.kill(slot, reason),
    });
  }

  /** Always calm where memory is not watched. */
  get pressure(): PressureLevel {
    return this.#guard?.level ?? "calm";
  }

  get size(): number {
    return this.#seats.length;
  }

  /** Starts every thread ahead of the first task. */
  async start(): Promise<void> {
    await Promise.all(this.#seats.map((seat) => seat.thread.start()));
  }

  /**
   * Runs attempts one after the other and tells what each did, until one has not ended well or the rest was taken back. Rejects
   * when the slot's thread ended under it, with why; the slot then wants a `restart`.
   */
  async run(
    slot: number,
    tasks: readonly TaskLaunch[],
    fragment: Uint8Array,
    locations: readonly MapOutputLocations[],
    ended: (task: TaskLaunch, outcome: TaskOutcome) => void,
  ): Promise<void> {
    const seat = this.#seat(slot);
    const [launch, ...rest] = tasks as readonly [TaskLaunch, ...TaskLaunch[]];
    seat.thread.control.beginTasks(seat.run + 1);
    await seat.terminating;
    const news = seat.knowledge.tell(launch.key.session, launch.fragment, fragment, locations);
    const running: SeatRun = { tasks, run: seat.run + 1, ended: 0, fragment };
    seat.run += tasks.length;
    seat.startedAtMs = Date.now();
    seat.ending = null;
    seat.running = running;
    const call = {
      kind: "run",
      run: running.run,
      launch,
      rest: rest.map(({ key: { partition, attempt } }) => ({ partition, attempt })),
      ...news,
      cached: this.#cachedHere(launch),
    } as const;
    try {
      await seat.thread.run(call, (at, outcome) => {
        const task = tasks[at] as TaskLaunch;
        running.ended = at + 1;
        seat.startedAtMs = Date.now();
        ended(task, this.#toOutcome(outcome, task));
      });
    } catch (error) {
      seat.knowledge.clear();
      const { ending } = seat;
      // Its files are removed next: it must not write any more.
      await seat.terminating;
      throw ending ?? error;
    } finally {
      if (seat.running === running) seat.running = null;
    }
  }

  /** Nothing of the run in the slot begins any more. Answers how many of its tasks have begun, ended ones too. */
  takeBack(slot: number): number {
    return this.#seat(slot).thread.takeBack();
  }

  /** Records that the run in the slot has read so far, as it last said. */
  recordsRead(slot: number): number {
    const { control } = this.#seat(slot).thread;
    return control.running === 0 ? 0 : control.records;
  }

  /** Sets the slot's cancel word: the task stops at its next look. One that the slot is not at takes no notice. */
  cancel(slot: number, key: TaskKey): void {
    const { thread, running } = this.#seat(slot);
    const name = formatTaskKey(key);
    const at = running?.tasks.findIndex((task) => formatTaskKey(task.key) === name) ?? -1;
    if (running !== null && at >= 0) thread.control.cancel(running.run + at);
  }

  /** Ends the slot's thread, with `reason` as the outcome of the run in it. */
  async kill(slot: number, reason: MillraceError): Promise<void> {
    const seat = this.#seat(slot);
    seat.ending ??= reason;
    seat.knowledge.clear();
    seat.terminating ??= seat.thread.terminate().finally(() => {
      seat.terminating = null;
    });
    await seat.terminating;
  }

  /** A fresh thread in the slot, whatever was there. Nothing once the pool is closed. */
  async restart(slot: number): Promise<void> {
    await this.kill(slot, new MillraceError("TASK_CANCELLED", "the slot was made anew"));
    if (this.#closed) return;
    await this.#seat(slot).thread.start();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#guard?.close();
    const reason = new MillraceError("TASK_CANCELLED", "the worker is shutting down");
    await Promise.all(this.#seats.map((_, slot) => this.kill(slot, reason)));
  }

  #seat(slot: number): Seat {
    const seat = this.#seats[slot];
    if (seat === undefined) throw new MillraceError("INTERNAL", `slot ${slot} of ${this.#seats.length} was addressed`);
    return seat;
  }

  #cachedHere(launch: TaskLaunch): CachedBlock[] {
    const found: CachedBlock[] = [];
    for (const { node, partition } of launch.cached) {
      const block = this.#options.cache.get(launch.key.session, node, partition, generationOf(launch, node));
      if (block !== undefined) found.push(block);
    }
    return found;
  }

  #toOutcome(outcome: SlotOutcome, launch: TaskLaunch): TaskOutcome {
    switch (outcome.kind) {
      case "succeeded": {
        const stored = outcome.offers.filter((offer) => this.#options.cache.store(offer));
        const cached = stored.map(({ block, sizeBytes }) => ({
          node: block.node,
          partition: block.partition,
          sizeBytes,
          ...(block.generation === undefined ? {} : { generation: block.generation }),
        }));
        return {
          kind: "succeeded",
          result: outcome.result,
          accumulators: outcome.accumulators,
          metrics: { ...noMetrics, ...outcome.metrics },
          cached,
        };
      }
      case "fetchFailed": {
        const { shuffle, map, worker } = outcome.error.fields as {
          shuffle: ShuffleId;
          map: number;
          worker: TaskOutcomeWorker;
        };
        return { kind: "fetchFailed", shuffle, map, worker, error: outcome.error };
      }
      case "failed":
        return {
          kind: "failed",
          error: withAttempt(outcome.error, launch),
          metrics: { ...noMetrics, ...outcome.metrics },
        };
      case "cancelled":
        return outcome;
    }
  }

  /** The stage by the call site of its last node, and the operators that it runs. */
  #workOf(slot: number): SlotWork {
    const running = this.#seats[slot]?.running ?? null;
    if (running === null) return { what: "", fields: {} };
    const { tasks, ended, fragment } = running;
    const { stage, partition } = (tasks[Math.min(ended, tasks.length - 1)] as TaskLaunch).key;
    const operators = [...new Set(unpack<Fragment>(fragment).nodes.map(({ callSite }) => formatCallSite(callSite)))];
    const operator = operators.at(-1);
    if (operator === undefined) return { what: `partition ${partition} of stage ${stage}`, fields: { partition } };
    return { what: `partition ${partition} of ${operator}`, fields: { operator, operators, partition } };
  }
}

type TaskOutcomeWorker = Extract<TaskOutcome, { kind: "fetchFailed" }>["worker"];

/** Which attempt failed stands in the error's fields, beside what the operator wrote. */
function withAttempt(error: WireError, launch: TaskLaunch) {
  const { stage, partition, attempt } = launch.key;
  return { ...error, fields: { stage, partition, attempt, task: formatTaskKey(launch.key), ...error.fields } };
}
