// Where blocks lie: map outputs (core.ts) and persisted partitions (cached-partitions.ts) of one session.

export { CachedPartitions, type NodeStorage } from "./cached-partitions.js";
export { MapOutputs } from "./core.js";
export { defaultMapOutputsOptions, type MapOutputsOptions } from "./options.js";
export type { HeldOutput, LostOutputs } from "./state.js";
