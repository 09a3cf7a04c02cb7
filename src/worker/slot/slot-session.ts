// What a slot keeps of the one session that it serves: revived functions and classes, live broadcast values and accumulators,
// where map outputs lie. Gone when the slot turns to another session, so nothing of one user's code is left for the next.

import { existsSync } from "node:fs";
import { Reviver } from "../../closure/index.js";
import { decodeValue } from "../../codec/stream.js";
import type { SessionId, ShuffleId } from "../../core/ids.js";
import type { FunctionRef } from "../../plan/function.js";
import { type HandleReference, TaskHandles } from "../../plan/handles.js";
import type { MapOutputLocations } from "../../protocol/tasks.js";
import { type FetchPlan, planFetch } from "../../shuffle/fetch-plan.js";
import { MapOutputFiles } from "../../shuffle/map-output-files.js";
import type { BlockingChannel } from "./blocking-channel.js";
import type { SlotSettings } from "./messages.js";

export class SlotSession {
  /** How each shuffle is read, by the newest locations. */
  readonly fetchPlans = new Map<ShuffleId, FetchPlan>();
  /** Open map outputs, shared by the attempts of this slot. */
  readonly files: MapOutputFiles;
  readonly handles: TaskHandles;
  readonly #reviver: Reviver;

  constructor(
    readonly id: SessionId,
    channel: BlockingChannel,
    private readonly settings: SlotSettings,
  ) {
    this.files = new MapOutputFiles({ maxFiles: settings.openFiles });
    const loadBlob = (hash: string) => channel.request({ kind: "blob", session: id, hash }, () => undefined);
    this.handles = new TaskHandles({
      loadBlob,
      decode: (bytes) => decodeValue(bytes, this.classes),
      revive: (fn) => this.revive(fn),
    });
    this.#reviver = new Reviver({
      dereference: (reference) => this.handles.open(reference as HandleReference),
      loadBundle: loadBlob,
      moduleRoots: settings.moduleRoots,
    });
  }

  /** Takes in where the outputs of a shuffle lie. */
  learn(locations: MapOutputLocations): void {
    const { address, localReads } = this.settings;
    this.fetchPlans.set(
      locations.shuffle,
      planFetch(locations, { self: address.worker, machine: address.machine, localReads, isReadable: existsSync }),
    );
  }

  /** Closes what is open; the session is over for this slot. */
  close(): void {
    this.files.close();
  }

  get classes() {
    return this.#reviver.classes;
  }

  /**
   * Imports what must be there before these functions can be revived (modules that only an import can load), and makes known
   * the classes that they carry: records of these may be decoded before any of the functions is called.
   */
  async prepare(functions: readonly FunctionRef[]): Promise<void> {
    for (const fn of functions) await this.#reviver.prepare(fn);
    for (const fn of functions) if (fn.classes !== undefined) this.revive(fn);
  }

  revive(fn: FunctionRef): (...args: never[]) => unknown {
    return this.#reviver.revive(fn) as (...args: never[]) => unknown;
  }
}
