// How a worker's one memory number is divided (docs/memory.md shows it):
//
//   memory = process base (code, I/O buffers, V8's own) + shared cache + slots x task share + what user functions hold
//
// A task's share counts encoded and tabled bytes that operators reserve; the objects that user functions make on the way are
// not counted, so more than half of what is left is kept free for them. The memory watch holds the whole to `memory`.

/** A Node process with our code loaded, and its connections' buffers. */
const BASE_BYTES = 128 * 1024 * 1024;
/** Of what is left after the base. */
const CACHE_FRACTION = 0.3;
const TASKS_FRACTION = 0.3;
/** Never plan with less: a task that reserves less than this spills all the time. */
const MIN_TASK_BYTES = 4 * 1024 * 1024;

/** V8's limits for the thread of a slot. */
export interface HeapLimits {
  /** Out of reach, because reaching it aborts the process. */
  readonly heapLimitMb: number;
  /** Young generation: records live for a batch, and a larger one copies fewer of them. */
  readonly youngGenerationMb: number;
}

export interface MemoryPlan {
  readonly cacheBytes: number;
  /** For each slot's task. */
  readonly taskBytes: number;
  readonly heap: HeapLimits;
}

export function planMemory(memoryBytes: number, slots: number, taskBytes: number | null): MemoryPlan {
  const usable = Math.max(memoryBytes / 4, memoryBytes - BASE_BYTES);
  return {
    cacheBytes: Math.floor(usable * CACHE_FRACTION),
    taskBytes: taskBytes ?? Math.max(MIN_TASK_BYTES, Math.floor((usable * TASKS_FRACTION) / slots)),
    heap: {
      heapLimitMb: Math.max(4096, Math.ceil((4 * memoryBytes) / 1048576)),
      youngGenerationMb: Math.min(64, Math.max(16, Math.floor(memoryBytes / slots / 16 / 1048576))),
    },
  };
}

export interface MemoryPart {
  readonly part: string;
  readonly what: string;
  readonly bytes: number;
}

/**
 * The whole of `memoryBytes`, part by part, as docs/memory.md and `millrace config` show it. Nothing is left for functions
 * where `taskBytes`, given by hand, are more than there is.
 */
export function divisionOf(memoryBytes: number, slots: number, given: number | null = null): MemoryPart[] {
  const { cacheBytes, taskBytes } = planMemory(memoryBytes, slots, given);
  const base = Math.min(BASE_BYTES, (memoryBytes * 3) / 4);
  const functions = Math.max(0, memoryBytes - base - cacheBytes - slots * taskBytes);
  return [
    { part: "process", what: "code, V8's own, buffers of connections", bytes: base },
    { part: "cache", what: "persisted partitions, shared by all slots", bytes: cacheBytes },
    { part: "tasks", what: "what operators reserve; each slot has an equal share", bytes: slots * taskBytes },
    { part: "functions", what: "objects that your functions make, garbage, decoded batches", bytes: functions },
  ];
}
