// Performs what the machine commands: messages to workers and drivers, lines of event logs, commits of outputs, fetched values.
// Every outcome is told to the machine as an event. One command after the other, and no policy.

import type { JobId, SessionId } from "../core/ids.js";
import type { Departures } from "./departures.js";
import type { DriverDesk } from "./driver-desk.js";
import type { MasterCommand, MasterEvent } from "./events.js";
import type { HeldResults } from "./results/held-results.js";
import type { ValueBlobs } from "./value-blobs.js";
import type { WorkerDesk } from "./worker-desk.js";

type CommandOf<Kind extends MasterCommand["kind"]> = MasterCommand & { readonly kind: Kind };

export interface CommandPerformerParts {
  readonly drivers: DriverDesk;
  readonly workers: WorkerDesk;
  readonly departures: Departures;
  readonly results: HeldResults;
  readonly values: ValueBlobs;
  /** Tells the machine. */
  handle(event: MasterEvent): void;
  log(message: string): void;
}

export class CommandPerformer {
  readonly #parts: CommandPerformerParts;
  /** Commands that wait until those before them are performed. */
  readonly #commands: MasterCommand[] = [];
  #performing = false;

  constructor(parts: CommandPerformerParts) {
    this.#parts = parts;
  }

  /** In the order of the events: what performing a command brings about comes after the commands that were there before. */
  perform(commands: readonly MasterCommand[]): void {
    for (const command of commands) this.#commands.push(command);
    if (this.#performing) return;
    this.#performing = true;
    try {
      for (let next = 0; next < this.#commands.length; next++) this.#perform(this.#commands[next] as MasterCommand);
    } finally {
      this.#commands.length = 0;
      this.#performing = false;
    }
  }

  #perform(command: MasterCommand): void {
    const { drivers, workers, departures } = this.#parts;
    switch (command.kind) {
      case "send": {
        const { worker, message } = command;
        if (message.kind === "launch")
          for (const launch of message.launches) drivers.find(launch.key.session)?.log.launched(launch);
        workers.send(worker, message);
        return;
      }
      case "dropWorker":
        return this.#dropWorker(command);
      case "decommissionStarted":
        return departures.started(command);
      case "decommissionEnded":
        return departures.ended(command);
      case "workerExcluded":
        return this.#tellExcluded(command);
      case "deliver":
        drivers.find(command.session)?.deliver(command);
        return;
      case "restartResults":
        drivers.find(command.session)?.restartResults(command.job);
        return;
      case "accumulators": {
        const { session, job, updates } = command;
        drivers.find(session)?.send({ kind: "accumulators", job, updates });
        return;
      }
      case "stagePlanned":
        drivers.find(command.session)?.log.stagePlanned(command);
        return;
      case "jobEnded":
        this.#releaseValues(command.session, command.job);
        drivers.jobEnded(command.session, command.job, command.error, command.summary);
        return;
      case "commitOutput":
        void this.#commit(command);
        return;
      case "abortOutput":
        void drivers.findEnding(command.session)?.host.abort(command.job);
        return;
      case "fetchValue":
        void this.#fetchValue(command);
    }
  }

  #dropWorker({ worker, reason }: CommandOf<"dropWorker">): void {
    const { drivers, workers, results, log } = this.#parts;
    log(`worker ${worker} is lost: ${reason}`);
    for (const driver of drivers.all) driver.log.workerLost(worker, reason);
    workers.drop(worker);
    results.workerLost(worker, reason);
  }

  #tellExcluded({ kind: _, session, ...exclusion }: CommandOf<"workerExcluded">): void {
    const { drivers, log } = this.#parts;
    const who = exclusion.worker === null ? `node ${exclusion.node}` : `worker ${exclusion.worker}`;
    log(`${who} is excluded (${exclusion.scope}, session ${session}): ${exclusion.reason}`);
    const mine = drivers.find(session);
    const told = exclusion.scope === "cluster" ? drivers.all : mine === undefined ? [] : [mine];
    for (const driver of told) driver.log.workerExcluded(exclusion);
  }

  #releaseValues(session: SessionId, job: JobId): void {
    const hashes = this.#parts.values.release(session, job);
    if (hashes.length > 0) this.#parts.handle({ kind: "blobsReleased", hashes });
  }

  async #commit({ session, job, files }: CommandOf<"commitOutput">): Promise<void> {
    const { drivers, handle } = this.#parts;
    const error = (await drivers.find(session)?.host.commit(job, files)) ?? null;
    handle({ kind: "outputCommitted", session, job, error });
  }

  async #fetchValue({ key, worker, bytes }: CommandOf<"fetchValue">): Promise<void> {
    const { results, handle, log } = this.#parts;
    try {
      handle({ kind: "valueFetched", key, bytes: await results.fetch(worker, key, bytes) });
    } catch (error) {
      const what = `the value ${key.session}/${key.stage}/${key.partition}`;
      log(`${what} could not be fetched from ${worker}: ${(error as Error).message}`);
      handle({ kind: "valueFetched", key, bytes: null });
    }
  }
}
