// The worker's machine. Behaviour: core.ts, and of slots slot-runs.ts; legal moves of a slot: state.ts.

export { AttemptRunner } from "./core.js";
export type { RunnerCommand, RunnerEvent } from "./events.js";
export { type AttemptRunnerOptions, defaultAttemptRunnerOptions } from "./options.js";
export { allSlotRows, type SlotState } from "./state.js";
