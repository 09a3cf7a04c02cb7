// What the jobs of a session are started as: their pool, group and tags. A scope holds them for the program, or for one callback
// and whatever it awaits (AsyncLocalStorage): it begins as a copy of the scope around it, and what is set in it stays in it. So
// programs that run beside each other on one thread do not meet, as Spark's threads do not.

import { AsyncLocalStorage } from "node:async_hooks";
import type { JobTraits } from "../protocol/driver.js";

export interface JobGroup {
  readonly id: string;
  readonly description: string | null;
}

export interface JobScope {
  /** null: the session's default. */
  pool: string | null;
  group: JobGroup | null;
  tags: ReadonlySet<string>;
}

export class JobScopes {
  readonly #program: JobScope = { pool: null, group: null, tags: new Set() };
  readonly #inner = new AsyncLocalStorage<JobScope>();

  /** The innermost scope of the caller. */
  get current(): JobScope {
    return this.#inner.getStore() ?? this.#program;
  }

  /** Runs `work` in a scope of its own. */
  within<T>(change: Partial<JobScope>, work: () => T): T {
    return this.#inner.run({ ...this.current, ...change }, work);
  }

  /** Of a job that starts now. `pool`: what its action says itself; it beats the scope's. */
  traits(pool: string | null): JobTraits {
    const { pool: own, group, tags } = this.current;
    const chosen = pool ?? own;
    return {
      ...(chosen === null ? {} : { pool: chosen }),
      ...(group === null ? {} : { group: group.id }),
      ...(group === null || group.description === null ? {} : { description: group.description }),
      ...(tags.size === 0 ? {} : { tags: [...tags] }),
    };
  }
}
