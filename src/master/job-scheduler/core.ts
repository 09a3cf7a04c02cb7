// The life of sessions, jobs, stages and tasks. A job runs only what its result needs and is not there: from the result stage
// down to the first stages whose inputs are whole. Reports are judged by attempt: what is stale changes nothing. Everything
// that leaves is a command; which worker gets a task is the assigner's word, which workers there are the registry's.
// The parts: stages.ts, attempts.ts, results.ts, jobs.ts; here is only their face.

import type { WireError } from "../../core/errors.js";
import type { JobId, NodeId, SessionId, ShuffleId, TaskKey, WorkerId } from "../../core/ids.js";
import type { AdoptableBlock } from "../../protocol/adoption.js";
import type { StageProgress } from "../../protocol/driver.js";
import type { TaskLaunch, TaskOutcome } from "../../protocol/tasks.js";
import type { OfferedOutput } from "../../protocol/worker.js";
import { CachedPartitions, MapOutputs, type MapOutputsOptions, type NodeStorage } from "../map-outputs/index.js";
import type { Assignment } from "../task-assigner/index.js";
import { Attempts } from "./attempts.js";
import { newSessionBlame } from "./blame.js";
import { Derivations } from "./derivations.js";
import { Exclusions } from "./exclusion.js";
import { Indeterminacy } from "./indeterminacy.js";
import { validateJobs } from "./invariants.js";
import { Jobs } from "./jobs.js";
import { makeLaunch } from "./launches.js";
import { newJob } from "./new-records.js";
import type { JobSchedulerOptions, SessionPolicy, SessionScheduling } from "./options.js";
import { type JobProgress, jobsOf, progressOf } from "./progress.js";
import { Results } from "./results.js";
import { type Place, type SchedulerPorts, type Scheduling, type Submission, wire } from "./scheduling.js";
import { Speculation } from "./speculation.js";
import { Stages } from "./stages.js";
import type { SessionRecord } from "./state.js";
import { removeUnwanted } from "./unwanted.js";

export class JobScheduler {
  readonly #outputsOptions: MapOutputsOptions;
  readonly #shared: Scheduling;
  readonly #stages: Stages;
  readonly #attempts: Attempts;
  readonly #results: Results;
  readonly #jobs: Jobs;
  readonly #exclusions: Exclusions;
  readonly #speculation: Speculation;

  constructor(options: JobSchedulerOptions, outputs: MapOutputsOptions, ports: SchedulerPorts) {
    this.#outputsOptions = outputs;
    // Each part gets the whole, and the whole has each part: filled in before anything is handled.
    const shared = { options, ports, sessions: new Map(), now: 0 } as unknown as Mutable<Scheduling>;
    this.#shared = shared;
    this.#stages = shared.stages = new Stages(shared);
    this.#attempts = shared.attempts = new Attempts(shared);
    this.#results = shared.results = new Results(shared);
    this.#jobs = shared.jobs = new Jobs(shared);
    this.#exclusions = shared.exclusions = new Exclusions(shared);
    this.#speculation = shared.speculation = new Speculation(shared);
    shared.indeterminacy = new Indeterminacy(shared);
  }

  get sessions(): ReadonlyMap<SessionId, SessionRecord> {
    return this.#shared.sessions;
  }

  /** `policy`: by default the master's own. */
  openSession(id: SessionId, policy: SessionPolicy = this.#shared.options, scheduling: SessionScheduling = {}): void {
    this.#shared.ports.assigner.open(id, scheduling);
    this.#shared.sessions.set(id, {
      id,
      policy,
      nextLookMs: 0,
      blame: newSessionBlame(),
      jobs: new Map(),
      outputs: new MapOutputs(this.#outputsOptions),
      cached: new CachedPartitions(),
      derivations: new Derivations(),
      generations: new Map(),
      owners: new Map(),
      joins: [],
      persisted: new Map(),
      releasing: new Set(),
    });
  }

  closeSession(id: SessionId, error: WireError, now: number): void {
    this.#shared.now = now;
    const session = this.#shared.sessions.get(id);
    if (session === undefined) return;
    for (const job of [...session.jobs.values()]) this.#jobs.end(job, error);
    this.#shared.ports.assigner.close(id);
    this.#shared.sessions.delete(id);
  }

  submit(submission: Submission, now: number): void {
    this.#shared.now = now;
    const session = this.#shared.sessions.get(submission.session);
    if (session === undefined || session.jobs.has(submission.graph.job)) return;
    const job = newJob(session, submission, now);
    session.jobs.set(job.id, job);
    session.derivations.learn(submission.graph);
    for (const { stage } of job.stages.values()) {
      if (stage.shuffleOutput !== null) session.outputs.open(stage.shuffleOutput, stage.tasks.length);
      for (const { node, partitions } of stage.reach) if (node !== null) session.persisted.set(node, partitions);
    }
    this.#stages.advance(job);
  }

  cancel(session: SessionId, job: JobId, reason: string, now: number): void {
    this.#shared.now = now;
    const record = this.#shared.sessions.get(session)?.jobs.get(job);
    if (record === undefined) return;
    this.#jobs.end(record, wire("JOB_CANCELLED", `job ${job} was cancelled: ${reason}`, { job }));
  }

  /** The shell cannot bring the job to its end. */
  fail(session: SessionId, job: JobId, error: WireError, now: number): void {
    this.#shared.now = now;
    const record = this.#shared.sessions.get(session)?.jobs.get(job);
    if (record !== undefined) this.#jobs.end(record, error);
  }

  /** Everything that the worker held is gone: map outputs, cached partitions, results that the driver has not yet. */
  workerGone(worker: WorkerId, now: number): void {
    this.#shared.now = now;
    for (const session of this.#shared.sessions.values()) {
      for (const { shuffle, maps } of session.outputs.dropWorker(worker))
        this.#stages.outputsLost(session, shuffle, maps);
      session.cached.removeWorker(worker);
      this.#stages.review(session);
    }
  }

  /** `to` has a copy of what lies on `from`; false when something else is counted on by now. Nothing is computed again. */
  blockMoved(block: AdoptableBlock, from: WorkerId, to: WorkerId): boolean {
    const record = this.#shared.sessions.get(block.session);
    if (record === undefined) return false;
    if (block.kind === "mapOutput") {
      const { shuffle, map, stage, attempt } = block;
      return record.outputs.move(shuffle, map, { worker: from, stage, attempt }, to);
    }
    const { node, partition, generation, sizeBytes } = block;
    if (!record.persisted.has(node) || generation !== (record.generations.get(node) ?? 0)) {
      this.#shared.ports.emit({ kind: "uncache", worker: to, session: record.id, node });
      return false;
    }
    record.cached.add(node, partition, to, sizeBytes);
    return record.cached.remove(node, partition, from);
  }

  /**
   * The worker is there again in a new process. Of its map outputs those stay that it has offered, also ones that were given up
   * and not computed again since. Answers the offers that nobody wants.
   */
  workerBack(worker: WorkerId, offered: readonly OfferedOutput[], now: number): OfferedOutput[] {
    this.#shared.now = now;
    const refused = offered.filter(({ session }) => !this.#shared.sessions.has(session));
    for (const session of this.#shared.sessions.values()) {
      const answer = session.outputs.returned(
        worker,
        offered.filter((one) => one.session === session.id),
      );
      refused.push(...answer.refused);
      for (const { shuffle, maps } of answer.lost) this.#stages.outputsLost(session, shuffle, maps);
      for (const { shuffle, maps } of answer.found) this.#stages.outputsFound(session, shuffle, maps);
      const uncached = session.cached.removeWorker(worker);
      if (uncached || answer.lost.length > 0 || answer.found.length > 0) this.#stages.review(session);
    }
    return refused;
  }

  storage(session: SessionId): NodeStorage[] {
    const record = this.#shared.sessions.get(session);
    if (record === undefined) return [];
    const { persisted, cached } = record;
    return [...persisted].map(([node, partitions]) => ({ node, partitions, ...cached.count(node) }));
  }

  uncached(
    session: SessionId,
    worker: WorkerId,
    partitions: readonly { readonly node: NodeId; readonly partition: number }[],
    now: number,
  ): void {
    this.#shared.now = now;
    const record = this.#shared.sessions.get(session);
    if (record === undefined) return;
    for (const { node, partition } of partitions) record.cached.remove(node, partition, worker);
    this.#stages.review(record);
  }

  uncacheNode(session: SessionId, node: NodeId, now: number): void {
    this.#shared.now = now;
    const record = this.#shared.sessions.get(session);
    if (record === undefined) return;
    record.persisted.delete(node);
    record.cached.removeNode(node);
    record.derivations.forgetNode(node);
    this.#stages.review(record);
  }

  /** The driver will not name it again. Running jobs may still use it: then it goes with the last of them. */
  releaseShuffle(session: SessionId, shuffle: ShuffleId): void {
    const record = this.#shared.sessions.get(session);
    if (record === undefined) return;
    record.releasing.add(shuffle);
    this.#jobs.releaseShuffles(record);
  }

  /** After every event, before tasks are assigned. */
  look(now: number): void {
    this.#shared.now = now;
    this.#speculation.look();
  }

  /** Records that an attempt has read so far. */
  progressed(key: TaskKey, worker: WorkerId, records: number): void {
    this.#attempts.progressed(key, worker, records);
  }

  /** What keeps whose tasks away from a worker. */
  exclusionsOf(place: Place, now: number): ReturnType<Exclusions["of"]> {
    this.#shared.now = now;
    return this.#exclusions.of(place);
  }

  /** The launch of what the assigner gave to a worker. */
  launch(assignment: Assignment): TaskLaunch {
    return makeLaunch(this.#shared, assignment);
  }

  started(key: TaskKey, worker: WorkerId, now: number): void {
    this.#shared.now = now;
    this.#attempts.started(key, worker);
  }

  /** An attempt ended. Stale and doubled reports are recognised and change nothing. */
  ended(key: TaskKey, worker: WorkerId, outcome: TaskOutcome, now: number): void {
    this.#shared.now = now;
    this.#attempts.ended(key, worker, outcome);
  }

  /** What a report that counts no more has left on its worker. */
  removeUnwanted(key: TaskKey, worker: WorkerId, outcome: TaskOutcome): void {
    removeUnwanted(this.#shared, key, worker, outcome);
  }

  /** Whether somebody waits for this attempt. */
  isCurrent(key: TaskKey, worker: WorkerId): boolean {
    return this.#attempts.isCurrent(key, worker);
  }

  /** An attempt is gone with its worker, or never reached it. `charge`: what it is charged with; null: nothing. */
  attemptLost(key: TaskKey, worker: WorkerId, charge: WireError | null, now: number): void {
    this.#shared.now = now;
    this.#attempts.lost(key, worker, charge);
  }

  /** The driver has all bytes of the partition. */
  delivered(session: SessionId, job: JobId, partition: number, now: number): void {
    this.#shared.now = now;
    this.#results.delivered(session, job, partition);
  }

  /** A result's bytes could not be read: the partition is computed again and delivered again. */
  resultLost(session: SessionId, job: JobId, partition: number, now: number): void {
    this.#shared.now = now;
    this.#results.lost(session, job, partition);
  }

  /** The bytes of a value result that was a block; null when they could not be read. */
  valueFetched(key: TaskKey, bytes: Uint8Array | null, now: number): void {
    this.#shared.now = now;
    this.#results.valueFetched(key, bytes);
  }

  outputCommitted(session: SessionId, job: JobId, error: WireError | null, now: number): void {
    this.#shared.now = now;
    this.#jobs.outputCommitted(session, job, error);
  }

  /** Jobs that wait for workers that do not come. `active`: workers that may get launches; `short`: that would, had they room. */
  checkWorkers(active: number, short: readonly WorkerId[], now: number): void {
    this.#shared.now = now;
    this.#jobs.checkWorkers(active, short);
  }

  progress(session: SessionId): StageProgress[] {
    const record = this.#shared.sessions.get(session);
    return record === undefined ? [] : progressOf(record);
  }

  /** Jobs that have not ended. */
  jobProgress(session: SessionId): JobProgress[] {
    const record = this.#shared.sessions.get(session);
    return record === undefined ? [] : jobsOf(record);
  }

  /** States the invariants between the collections; tests call it after every event. */
  validate(): string[] {
    return validateJobs(this.#shared.sessions.values());
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
