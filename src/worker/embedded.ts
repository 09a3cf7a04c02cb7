// A worker inside another process (masters `local` and `local[N]`): a shell without sockets, whose directory goes with it.

import { MillraceError } from "../core/errors.js";
import { type BlobHash, workerId } from "../core/ids.js";
import { machineId } from "../core/machine-id.js";
import type { OptionValues } from "../core/options.js";
import type { HeapLimits } from "./memory-plan.js";
import { WorkerShell } from "./shell.js";
import type { SlotSettings } from "./slot/messages.js";
import { CallingThreadSlot, type CallUserThread } from "./slots/calling-thread-slot.js";
import { PiscinaSlot, type SlotEvents, type SlotThread } from "./slots/slot.js";
import { sweepDeadOwners, WorkerDirectory } from "./worker-directory.js";

export interface EmbeddedWorkerOptions {
  readonly id: string;
  readonly slots: number;
  readonly memoryBytes: number;
  readonly options: OptionValues;
  readonly slotEntry: string;
  readonly moduleRoots: readonly string[];
  /** Runs tasks on the user's thread; null: on threads of its own. */
  readonly callingThread: CallUserThread | null;
  readonly readBlob: (hash: BlobHash) => Uint8Array;
  readonly log: (message: string) => void;
}

export interface EmbeddedWorker {
  readonly shell: WorkerShell;
  readonly directory: WorkerDirectory;
}

/** Claims its directory, sweeping those of dead owners. Throws READ_ONLY_FILE_SYSTEM, PERMISSION_DENIED, DISK_FULL. */
export function createEmbeddedWorker(given: EmbeddedWorkerOptions): EmbeddedWorker {
  const { options, callingThread } = given;
  const id = workerId(given.id);
  sweepDeadOwners(options.localDir);
  const directory = WorkerDirectory.of(options.localDir, id);
  directory.claim();
  const makeSlot = (
    index: number,
    settings: Omit<SlotSettings, "slot">,
    heap: HeapLimits,
    events: SlotEvents,
  ): SlotThread =>
    callingThread === null
      ? new PiscinaSlot(index, { entry: given.slotEntry, settings, env: environmentOfSlots(), heap }, events)
      : new CallingThreadSlot(callingThread, settings, events);
  const shell = new WorkerShell({
    registration: {
      worker: id,
      role: "core",
      node: "driver",
      slots: given.slots,
      memoryBytes: given.memoryBytes,
      address: { worker: id, machine: machineId(), blocks: "", directory: directory.path },
    },
    directory,
    options,
    oneMachine: true,
    // The process is the user's too. Tasks on the calling thread cannot be ended.
    watchedMemory:
      options["memory.watch"] && callingThread === null ? { limitBytes: given.memoryBytes, shared: true } : null,
    moduleRoots: given.moduleRoots,
    makeSlot,
    fetchBlob: async (hash) => given.readBlob(hash),
    fetchBlock: () => {
      throw new MillraceError(
        "FETCH_FAILED",
        "a worker inside the driver's process has no other workers to fetch from",
      );
    },
    onDrained: () => undefined,
    onDecommissioned: (reason) => given.log(`a worker inside the driver's process ends with it, not before: ${reason}`),
    onRefused: (error) => given.log(`the worker was refused: ${error.message}`),
    log: given.log,
  });
  return { shell, directory };
}

/** User code in a slot must not see the cluster's secret. */
export function environmentOfSlots(): NodeJS.ProcessEnv {
  const { MILLRACE_SECRET: _secret, ...env } = process.env;
  return env;
}
