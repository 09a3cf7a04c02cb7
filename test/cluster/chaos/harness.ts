// One cluster of worker processes of the chaos variant for all faults of a setting: each fault meets a cluster that has
// survived those before it. A fault is armed, the job runs, and then: the fault fired, the answer is the calm run's, every
// slot serves again.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "vitest";
import type { SessionOptions } from "../../../src/index.js";
import type { loadEngine, Session } from "../../support/engine.js";
import { type Counts, countSince, jobsSoFar } from "./counts.js";
import { FaultBudget, type Fired } from "./faults.js";
import type { Token } from "./fire.js";
import { gatheredPids, type Job } from "./jobs.js";
import { chaosEngine } from "./points.js";
import { outcomeOf, report } from "./table.js";

export interface Setting {
  /** In the table. */
  readonly name: string;
  readonly options: SessionOptions;
}

export interface Blow {
  readonly fault: string;
  readonly point: string;
  readonly token: Token;
  readonly job: Job;
  /** What else is true of the run. */
  readonly check?: (run: Run) => void | Promise<void>;
  /** Called when the fault has fired, while the job runs. */
  readonly meanwhile?: (fired: Fired) => void | Promise<void>;
}

export interface Run extends Counts {
  readonly fired: Fired;
  /** Attempts that did not succeed; those of a lost worker never report, the master counts them. */
  readonly lost: number;
}

interface Calm {
  readonly answer: string;
  readonly ms: number;
}

const WORKERS = 3;

export class ChaosCluster {
  readonly directory = mkdtempSync(join(tmpdir(), "millrace-chaos-"));
  readonly budget = new FaultBudget();
  readonly #calm = new Map<Job, Calm>();
  #session: Session | null = null;
  /** Of the jobs since a blow. */
  #failedAttempts = 0;
  #copies = 0;

  constructor(
    readonly setting: Setting,
    private readonly env: Readonly<Record<string, string>> = {},
  ) {
    for (const name of ["local", "events"]) mkdirSync(join(this.directory, name));
  }

  /** The session, opened at the first call and after `renew`. */
  async session(): Promise<Session> {
    if (this.#session !== null) return this.#session;
    const engine = (await import(pathToFileURL(join(await chaosEngine(), "index.js")).href)) as Awaited<
      ReturnType<typeof loadEngine>
    >;
    Object.assign(process.env, this.budget.env, this.env);
    this.#session = await engine.Session.open({
      master: `local-cluster[${WORKERS},1,512m]`,
      localDir: join(this.directory, "local"),
      "eventLog.dir": join(this.directory, "events"),
      ...this.setting.options,
    });
    this.#session.onJobEnd(({ summary }) => {
      this.#failedAttempts += summary?.failedAttempts ?? 0;
    });
    return this.#session;
  }

  /** After a test that failed: the next one gets a cluster of its own. */
  async renew(): Promise<void> {
    await this.#session?.stop();
    this.#session = null;
    this.budget.disarm();
  }

  async close(): Promise<void> {
    await this.renew();
    for (const name of Object.keys({ ...this.budget.env, ...this.env })) delete process.env[name];
    const left = readdirSync(join(this.directory, "local"));
    this.budget.remove();
    rmSync(this.directory, { recursive: true, force: true });
    expect(left).toEqual([]);
  }

  async strike(blow: Blow): Promise<Run> {
    const session = await this.session();
    const calm = await this.#calmOf(blow.job, session);
    const fault = this.budget.arm(blow.point, blow.token);
    const started = performance.now();
    const known = await jobsSoFar(this.#log());
    this.#failedAttempts = 0;
    const meanwhile = blow.meanwhile === undefined ? null : fault.untilFired().then(blow.meanwhile);
    const answer = await blow.job(session).catch((error: Error) => error);
    const ms = performance.now() - started;
    // What the job failed of is told even where the fault never came.
    if (!(answer instanceof Error)) await meanwhile;
    else meanwhile?.catch(() => undefined);
    const { fired } = fault;
    const counted = await countSince(this.#log(), known);
    const lost = this.#failedAttempts + counted.fetchFailed;
    this.#copies += counted.copies;
    report({
      fault: blow.fault,
      setting: this.setting.name,
      fired: fired !== null,
      answer: outcomeOf(answer, calm.answer),
      good: answer === calm.answer,
      recomputed: counted.recomputed,
      lost,
      copies: counted.copies,
      addedSeconds: (ms - calm.ms) / 1000,
    });
    if (answer instanceof Error) throw answer;
    expect(fired, `the fault ${blow.fault} fired`).not.toBeNull();
    expect(answer).toBe(calm.answer);
    const run = { ...counted, fired: fired as Fired, lost };
    await blow.check?.(run);
    await this.serves();
    return run;
  }

  /** Second attempts of slow tasks, in all runs with faults. */
  get copies(): number {
    return this.#copies;
  }

  /** Every slot of the cluster is there and serves. */
  async serves(): Promise<void> {
    const pids = await gatheredPids(await this.session(), WORKERS, this.directory);
    expect(new Set(pids).size).toBe(WORKERS);
  }

  /** The second of two runs: the first one starts slots and compiles. */
  async #calmOf(job: Job, session: Session): Promise<Calm> {
    let calm = this.#calm.get(job);
    if (calm !== undefined) return calm;
    const first = await job(session);
    const started = performance.now();
    calm = { answer: await job(session), ms: performance.now() - started };
    expect(calm.answer).toBe(first);
    this.#calm.set(job, calm);
    return calm;
  }

  #log(): string {
    return join(this.directory, "events", `${this.#session?.id}.jsonl`);
  }
}
