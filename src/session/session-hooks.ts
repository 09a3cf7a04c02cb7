// Who wants to know of every session of this process: the CLI's progress bar and its shell. The list hangs on the global object, because
// the command and the user's program are two bundles with a copy of this module each.

import type { NamedValue } from "../core/user-metrics.js";
import type { StageProgress } from "../protocol/driver.js";
import type { JobEnd } from "./job-client.js";
import type { Listeners } from "./listeners.js";
import type { TaskLog } from "./task-log.js";

/** What may be heard of a session. */
export interface OpenedSession {
  readonly jobEnds: Listeners<JobEnd>;
  readonly progress: Listeners<readonly StageProgress[]>;
  /** Hear what tasks print before it is printed. */
  readonly logs: Listeners<TaskLog>;
  /** A named accumulator with what it comes to now, in all jobs. */
  currentValue(value: NamedValue): NamedValue;
  /** Its running jobs reject with JOB_CANCELLED; gives how many there were. */
  cancelAllJobs(reason: string | null): number;
  stop(): Promise<void>;
}

type Hook = (session: OpenedSession) => void;

const key: unique symbol = Symbol.for("millrace.sessionHooks");

function hooks(): Hook[] {
  const holder = globalThis as { [key]?: Hook[] };
  holder[key] ??= [];
  return holder[key];
}

/** Called with every session that this process opens from now on. */
export function onSessionOpened(hook: Hook): void {
  hooks().push(hook);
}

export function tellSessionOpened(session: OpenedSession): void {
  for (const hook of hooks()) hook(session);
}
