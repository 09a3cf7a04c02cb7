// Workers that are to go without anything being computed again: see core.ts.

export { type DecommissionCommand, type DecommissionPorts, Decommissions } from "./core.js";
export { type DecommissionOptions, defaultDecommissionOptions } from "./options.js";
export type { DecommissionCounts, DecommissionProgress } from "./state.js";
