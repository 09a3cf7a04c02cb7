// The scheduler of jobs: its commands, and what the rest of the master uses. Behaviour: core.ts; legal moves: transitions.ts.

export type { JobCommand } from "./commands.js";
export { JobScheduler } from "./core.js";
export { defaultJobSchedulerOptions, type JobSchedulerOptions, type SessionPolicy } from "./options.js";
export type { SchedulerPorts, Submission } from "./scheduling.js";
export { allRows, type MoveObserver } from "./transitions.js";
