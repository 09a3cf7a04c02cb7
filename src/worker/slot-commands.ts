// Does what the attempt runner asks of slots: runs launches in them, sets their cancel word, ends their threads and makes new
// ones. What comes of it returns as an event. Files of an attempt that did not succeed go before its end is told.

import { MillraceError, toWireError } from "../core/errors.js";
import type { RunnerCommand, RunnerEvent } from "./attempt-runner/index.js";
import type { Disposal } from "./disposal.js";
import type { SlotPool } from "./slots/slot-pool.js";
import type { WorkerBlobs } from "./worker-blobs.js";

export type SlotCommand = Extract<
  RunnerCommand,
  { readonly kind: "run" | "startSlot" | "cancelWord" | "takeBack" | "killSlot" }
>;

export interface SlotCommandsParts {
  readonly pool: SlotPool;
  /** Has the fragment of every launch that runs. */
  readonly blobs: WorkerBlobs;
  readonly disposal: Disposal;
  readonly handle: (event: RunnerEvent) => void;
  /** The next heartbeat, at once. */
  readonly beat: () => void;
  readonly log: (message: string) => void;
}

export class SlotCommands {
  constructor(private readonly parts: SlotCommandsParts) {}

  perform(command: SlotCommand): void {
    const { pool, handle } = this.parts;
    switch (command.kind) {
      case "run":
        void this.#run(command);
        return;
      case "startSlot":
        void this.#start(command.slot);
        return;
      case "cancelWord":
        return pool.cancel(command.slot, command.key);
      case "takeBack":
        return handle({ kind: "tookBack", slot: command.slot, begun: pool.takeBack(command.slot) });
      case "killSlot":
        void pool.kill(command.slot, new MillraceError("TASK_CANCELLED", "the task did not stop by itself"));
        return;
    }
  }

  async #run({ slot, launch, rest, locations }: SlotCommand & { kind: "run" }): Promise<void> {
    const { pool, blobs, disposal, handle, beat } = this.parts;
    const fragment = blobs.bytesOf(launch.fragment);
    const left = new Set([launch, ...rest]);
    try {
      if (fragment === undefined) throw new MillraceError("INTERNAL", `the fragment ${launch.fragment} is not here`);
      await pool.run(slot, [...left], fragment, locations, (task, outcome) => {
        left.delete(task);
        if (outcome.kind !== "succeeded") disposal.attempt(task.key);
        // Before the failure is told, so that the next attempt goes elsewhere if there is still no room.
        if (outcome.kind === "failed" && outcome.error.code === "DISK_FULL") beat();
        handle({ kind: "slotEnded", slot, key: task.key, outcome });
      });
    } catch (error) {
      for (const { key } of left) disposal.attempt(key);
      // The thread may have ended some of them before it ended itself, and nobody heard of that.
      if (rest.length > 0) disposal.results([...left].map(({ key }) => key));
      handle({ kind: "slotDied", slot, error: toWireError(error) });
    }
  }

  async #start(slot: number): Promise<void> {
    const { pool, handle, log } = this.parts;
    try {
      await pool.restart(slot);
      handle({ kind: "slotReady", slot });
    } catch (error) {
      // Without a thread the slot stays "starting"; the worker goes on with the others.
      log(`slot ${slot} could not be started: ${(error as Error).message}`);
    }
  }
}
