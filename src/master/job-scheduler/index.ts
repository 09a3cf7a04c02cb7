// The scheduler of jobs: its commands, and what the rest of the master uses. Behaviour: core.ts; legal moves: transitions.ts.

export type { JobCommand } from "./commands.js";
export { JobScheduler, type SchedulerPorts, type Submission } from "./core.js";
export { defaultJobSchedulerOptions, type JobSchedulerOptions, type SessionPolicy } from "./options.js";
export { allRows, type MoveObserver } from "./transitions.js";
