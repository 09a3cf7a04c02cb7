// What a worker's shell is made with: its directory, its options, and what its process does for it. What a slot is told follows
// from them.

import type { MillraceError } from "../core/errors.js";
import type { BlobHash } from "../core/ids.js";
import type { OptionValues } from "../core/options.js";
import type { OfferedOutput, WorkerRegistration } from "../protocol/worker.js";
import type { HeapLimits, MemoryPlan } from "./memory-plan.js";
import type { FetchBlock } from "./remote-blocks.js";
import type { SlotSettings } from "./slot/messages.js";
import type { WatchedMemory } from "./slots/memory-guard.js";
import type { SlotEvents, SlotThread } from "./slots/slot.js";
import type { WorkerDirectory } from "./worker-directory.js";

export interface WorkerShellOptions {
  readonly registration: Omit<WorkerRegistration, "version" | "pid" | "incarnation">;
  readonly directory: WorkerDirectory;
  /** What an earlier process of this worker has left. Default: nothing. */
  readonly committed?: readonly OfferedOutput[];
  readonly options: OptionValues;
  /** Whoever reads this worker's blocks runs on this machine, on threads of this process or as another worker of its session. */
  readonly oneMachine: boolean;
  /** What the memory watch holds the slots to; null: no watch. */
  readonly watchedMemory: WatchedMemory | null;
  readonly moduleRoots: readonly string[];
  /** Makes slot `index`; `heap` is for its thread. */
  readonly makeSlot: (
    index: number,
    settings: Omit<SlotSettings, "slot">,
    heap: HeapLimits,
    events: SlotEvents,
  ) => SlotThread;
  /** Bytes of a blob of the master. */
  readonly fetchBlob: (hash: BlobHash) => Promise<Uint8Array>;
  readonly fetchBlock: FetchBlock;
  /** Everything is reported and the worker may go. */
  readonly onDrained: () => void;
  /** The worker is to end for good: nobody needs what it holds, or its time is over. */
  readonly onDecommissioned: (reason: string) => void;
  /** The master does not take this worker. */
  readonly onRefused: (error: MillraceError) => void;
  readonly log: (message: string) => void;
}

const INLINE_RESULT_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 120_000;

/** `openFiles`: map outputs that one slot may keep open. */
export function slotSettingsOf(
  { registration, options, oneMachine, moduleRoots }: WorkerShellOptions,
  plan: MemoryPlan,
  openFiles: number,
): Omit<SlotSettings, "slot"> {
  return {
    address: registration.address,
    taskBytes: plan.taskBytes,
    cacheBytes: plan.cacheBytes,
    openFiles,
    inlineResultBytes: INLINE_RESULT_BYTES,
    localReads: options["shuffle.localReads"],
    compress: options["shuffle.compress"] ?? !oneMachine,
    checksum: options["shuffle.checksum"],
    moduleRoots,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  };
}
