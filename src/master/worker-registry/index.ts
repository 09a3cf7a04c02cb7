// The registry of workers: see core.ts.

export { type RegisterAnswer, WorkerRegistry } from "./core.js";
export { defaultWorkerRegistryOptions, type WorkerRegistryOptions } from "./options.js";
export type { Attempt, WorkerRecord, WorkerState } from "./state.js";
