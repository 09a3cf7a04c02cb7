// Which task goes where: see core.ts.

export { type Assignment, type Capacity, type Preference, TaskAssigner } from "./core.js";
export { defaultTaskAssignerOptions, type TaskAssignerOptions } from "./options.js";
export type { PoolScheme, PoolSnapshot } from "./pools.js";
export type { StageGate } from "./state.js";
