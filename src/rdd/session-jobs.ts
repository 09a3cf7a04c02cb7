// What a session does with its jobs as a whole: puts them into pools, names them by groups and tags, cancels them by these names.
// Spark's words; where Spark has a thread's local properties, a callback and all that it awaits has them here.

import type { PoolDefinitions } from "../core/scheduler-pools.js";
import { invalidArgument, requireFunction, requireText } from "../session/arguments.js";
import type { DriverSession } from "../session/driver-session.js";

/** Of `session.jobGroup`. */
export interface JobGroupOptions {
  /** What the jobs are for: shown by `millrace status` and in the event log. Default: none. */
  readonly description?: string | undefined;
}

export class SessionJobs {
  protected readonly driver: DriverSession;

  constructor(driver: DriverSession) {
    this.driver = driver;
  }

  /**
   * Adds pools to the session, or gives pools that are there other values, from the next task on. INVALID_ARGUMENT for a value
   * that cannot be, and in a session whose `scheduler.mode` is FIFO, where pools have no effect.
   *
   * ```ts
   * session.pools({ interactive: { weight: 3, minShare: 1 }, nightly: { mode: "FAIR" } });
   * ```
   */
  pools(pools: PoolDefinitions): void {
    this.driver.requireOpen("pools");
    this.driver.definePools(pools);
  }

  /**
   * Runs `work`; the actions that it calls, and those of whatever it awaits, run in the pool. One that nobody has defined is made,
   * with weight 1 and no least share. Without effect in a session whose `scheduler.mode` is FIFO. Gives what `work` gives.
   *
   * ```ts
   * const size = await session.inPool("interactive", () => lines.count());
   * ```
   */
  inPool<T>(pool: string, work: () => T): T {
    requireText("inPool", "pool", pool);
    requireFunction("inPool", "work", work);
    return this.driver.scopes.within({ pool }, work);
  }

  /**
   * Runs `work`; the jobs of its actions, and of whatever it awaits, belong to the group, by which `cancelJobGroup` finds them.
   * Gives what `work` gives.
   *
   * ```ts
   * const report = session.jobGroup("report", { description: "sales of May" }, async () => {
   *   const total = await sales.values().sum();
   *   return total / (await sales.keys().distinct().count());
   * });
   * const cancelled = session.cancelJobGroup("report", "the user has left the page");   // `report` rejects
   * ```
   */
  jobGroup<T>(id: string, options: JobGroupOptions, work: () => T): T;
  jobGroup<T>(id: string, work: () => T): T;
  jobGroup<T>(id: string, options: JobGroupOptions | (() => T), work?: () => T): T {
    requireText("jobGroup", "id", id);
    const given = typeof options === "function" ? {} : options;
    const run = typeof options === "function" ? options : work;
    if (typeof given !== "object" || given === null)
      throw invalidArgument("jobGroup", "options", "an object such as { description }", options);
    requireFunction("jobGroup", "work", run);
    return this.driver.scopes.within(
      { group: { id, description: described("jobGroup", given.description) } },
      run as () => T,
    );
  }

  /**
   * From now on jobs belong to the group: in the callback of `jobGroup`, `inPool` or `withJobTags` around the call until it ends,
   * else in the whole program, all that runs beside this call too. `jobGroup` says more clearly which.
   * E.g. `session.setJobGroup("nightly", "sales of May")`.
   */
  setJobGroup(id: string, description?: string): void {
    requireText("setJobGroup", "id", id);
    this.driver.scopes.current.group = { id, description: described("setJobGroup", description) };
  }

  /** Undoes `setJobGroup` where it was called; inside `jobGroup` its group is gone too. E.g. `session.clearJobGroup()`. */
  clearJobGroup(): void {
    this.driver.scopes.current.group = null;
  }

  /**
   * Cancels the jobs of the group that run: their actions reject with JOB_CANCELLED, whose fields name `group` and `reason`. Jobs
   * that start later are not cancelled. E.g. `const cancelled = session.cancelJobGroup("report", "not needed any more")`.
   *
   * @param reason told in the error and in the event log. Default: none
   * @returns how many jobs were cancelled
   */
  cancelJobGroup(id: string, reason?: string): number {
    requireText("cancelJobGroup", "id", id);
    const why = described("cancelJobGroup", reason, "reason");
    return this.driver.cancelJobs(({ group }) => group === id, {
      what: `its job group "${id}"`,
      fields: { group: id },
      why,
    });
  }

  /** Cancels every job of the session that runs, as `cancelJobGroup` does. E.g. `process.once("SIGINT", () => session.cancelAllJobs("Ctrl-C"))`. */
  cancelAllJobs(reason?: string): number {
    const why = described("cancelAllJobs", reason, "reason");
    return this.driver.cancelAllJobs(why);
  }

  /**
   * Runs `work`; the jobs of its actions, and of whatever it awaits, have these tags besides those of the scope around it. Gives
   * what `work` gives. A tag is a text without a comma, as in Spark.
   *
   * ```ts
   * const size = await session.withJobTags(["report", "may"], () => sales.count());
   * ```
   */
  withJobTags<T>(tags: readonly string[], work: () => T): T {
    if (!Array.isArray(tags)) throw invalidArgument("withJobTags", "tags", "an array of texts", tags);
    for (const tag of tags) requireTag("withJobTags", tag);
    requireFunction("withJobTags", "work", work);
    const { scopes } = this.driver;
    return scopes.within({ tags: new Set([...scopes.current.tags, ...tags]) }, work);
  }

  /** From now on jobs have the tag too; where, as with `setJobGroup`. E.g. `session.addJobTag("may")`. */
  addJobTag(tag: string): void {
    const { current } = this.driver.scopes;
    current.tags = new Set([...current.tags, requireTag("addJobTag", tag)]);
  }

  /** Undoes `addJobTag` where it was called. A tag that is not there is no error. E.g. `session.removeJobTag("may")`. */
  removeJobTag(tag: string): void {
    requireTag("removeJobTag", tag);
    const { current } = this.driver.scopes;
    current.tags = new Set([...current.tags].filter((one) => one !== tag));
  }

  /** The tags that a job has which is started here. E.g. `console.log([...session.getJobTags()])`. */
  getJobTags(): Set<string> {
    return new Set(this.driver.scopes.current.tags);
  }

  /** Takes all tags away, as `removeJobTag` does; inside `withJobTags` its tags are gone too. E.g. `session.clearJobTags()`. */
  clearJobTags(): void {
    this.driver.scopes.current.tags = new Set();
  }

  /** Cancels the jobs with the tag that run, as `cancelJobGroup` does; the error's field is `tag`. E.g. `session.cancelJobsWithTag("may")`. */
  cancelJobsWithTag(tag: string, reason?: string): number {
    requireTag("cancelJobsWithTag", tag);
    const why = described("cancelJobsWithTag", reason, "reason");
    const hasTag = ({ tags = [] }: { readonly tags?: readonly string[] }) => tags.includes(tag);
    return this.driver.cancelJobs(hasTag, { what: `the jobs tagged "${tag}"`, fields: { tag }, why });
  }
}

function requireTag(method: string, tag: unknown): string {
  const text = requireText(method, "tag", tag);
  if (text.includes(",")) throw invalidArgument(method, "tag", "a text without a comma", tag);
  return text;
}

function described(method: string, text: unknown, argument = "description"): string | null {
  return text === undefined ? null : requireText(method, argument, text);
}
