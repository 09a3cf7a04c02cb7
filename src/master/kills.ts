// Sessions and jobs that an administrator ends by `millrace kill`: finds what is meant, and ends it with an error that names who
// asked and why, so that the driver's user does not look for a fault. How a job or session ends is decided where all of them end.

import { MillraceError } from "../core/errors.js";
import { type JobId, jobId } from "../core/ids.js";
import type { DriverDesk } from "./driver-desk.js";
import type { DriverLink } from "./driver-link.js";
import type { MasterView } from "./machine/view.js";

/** What an administrator is told. */
export interface Killed {
  readonly session: string;
  readonly appName: string;
  /** Jobs that ran and were ended, in the order of their numbers. */
  readonly jobs: readonly number[];
  /** Whether the session itself was ended. */
  readonly ended: "session" | "job";
  readonly by: string;
}

export interface KillsParts {
  readonly drivers: DriverDesk;
  readonly view: MasterView;
  log(message: string): void;
}

interface KillQuestion {
  readonly session: string;
  readonly job: JobId | null;
  readonly reason: string | null;
}

export class Kills {
  readonly #parts: KillsParts;

  constructor(parts: KillsParts) {
    this.#parts = parts;
  }

  /** `{ session, job, reason }`, asked by `by`. @throws UNKNOWN_SESSION, UNKNOWN_JOB, PROTOCOL_ERROR */
  ask(question: unknown, by: string): Killed {
    const { session, job, reason } = questionOf(question);
    const link = this.#find(session);
    const { id, settings } = link.host;
    const running = this.#jobs(link);
    if (job !== null && !running.includes(job)) throw unknownJob(id, job, running);
    const why = reason === null ? "" : `: ${reason}`;
    const about = { session: id, by, ...(reason === null ? {} : { reason }) };
    const told = { session: id, appName: settings.appName, by };
    if (job !== null) {
      const text = `job ${job} of session ${id} was killed by ${by} (millrace kill)${why}`;
      this.#parts.log(text);
      link.host.kill(job, new MillraceError("JOB_CANCELLED", text, { fields: { job, ...about } }));
      return { ...told, jobs: [job], ended: "job" };
    }
    const text = `session ${id} (${settings.appName}) was killed by ${by} (millrace kill)${why}`;
    this.#parts.log(text);
    this.#parts.drivers.kill(link, new MillraceError("SESSION_KILLED", text, { fields: about }));
    return { ...told, jobs: running, ended: "session" };
  }

  /** By its id, or by the id's part before the first "-", which is the session's number on this master. */
  #find(name: string): DriverLink {
    const open = [...this.#parts.drivers.all];
    const found = open.find(({ host }) => host.id === name || host.id.startsWith(`${name}-`));
    if (found !== undefined) return found;
    const ids = open.map(({ host }) => host.id);
    const there = ids.length === 0 ? "none is open" : `open are ${ids.slice(0, 20).join(", ")}`;
    throw new MillraceError("UNKNOWN_SESSION", `this master has no session ${name}: ${there}`, {
      fields: { session: name, sessions: ids },
    });
  }

  #jobs({ host }: DriverLink): JobId[] {
    const live = this.#parts.view.liveJobs(host.id).map(jobId);
    return [...new Set([...live, ...host.preparing])].sort((a, b) => a - b);
  }
}

function unknownJob(session: string, job: number, running: readonly number[]): MillraceError {
  const there = running.length === 0 ? "none runs" : `those that run are ${running.slice(0, 20).join(", ")}`;
  return new MillraceError("UNKNOWN_JOB", `session ${session} has no running job ${job}: ${there}`, {
    fields: { session, job, jobs: running },
  });
}

function questionOf(question: unknown): KillQuestion {
  const { session, job = null, reason = null } = question as Record<string, unknown>;
  if (typeof session !== "string" || session === "") throw unreadable("a session without its id");
  if (job !== null && !(typeof job === "number" && Number.isSafeInteger(job) && job > 0))
    throw unreadable(`the job ${String(job)}`);
  if (reason !== null && typeof reason !== "string") throw unreadable(`the reason ${String(reason)}`);
  return { session, job: job === null ? null : jobId(job), reason };
}

function unreadable(what: string): MillraceError {
  return new MillraceError("PROTOCOL_ERROR", `the master was asked to kill ${what}`);
}
