// The scheduler of jobs: its commands, and what the rest of the master uses. Behaviour: core.ts; legal moves: transitions.ts.

export type { Exclusion } from "./blame.js";
export type { JobCommand } from "./commands.js";
export { JobScheduler } from "./core.js";
export {
  defaultJobSchedulerOptions,
  type ExclusionPolicy,
  type JobSchedulerOptions,
  type SessionPolicy,
  type SessionScheduling,
  type SpeculationPolicy,
  usualExclusion,
  usualSpeculation,
} from "./options.js";
export type { JobProgress } from "./progress.js";
export type { Place, SchedulerPorts, Submission } from "./scheduling.js";
export { allRows, type MoveObserver } from "./transitions.js";
