// The way out of the machine: gathers what one event brings about, in order, and turns what the scheduler asks of workers into
// messages. Cancels of one event leave together, one message a worker. To who cannot be reached nothing is sent.

import type { SessionId, ShuffleId, TaskKey, WorkerId } from "../../core/ids.js";
import type { MasterToWorker } from "../../protocol/worker.js";
import type { MasterCommand } from "../events.js";
import type { JobCommand } from "../job-scheduler/index.js";
import type { WorkerRegistry } from "../worker-registry/index.js";

export class CommandOutbox {
  readonly #registry: WorkerRegistry;
  #commands: MasterCommand[] = [];
  /** Cancels of one event, sent together. */
  readonly #cancels = new Map<WorkerId, { readonly keys: TaskKey[]; reason: string }>();
  /** Workers that one event excluded from something. */
  readonly #excluded = new Set<WorkerId>();

  constructor(registry: WorkerRegistry) {
    this.#registry = registry;
  }

  /** A new event. What an event that threw has left does not leave with it. */
  begin(): void {
    this.#commands = [];
  }

  /** Everything since `begin`. */
  take(): MasterCommand[] {
    const commands = this.#commands;
    this.#commands = [];
    return commands;
  }

  /** Workers that were excluded from something since this was last asked. */
  takeExcluded(): WorkerId[] {
    const excluded = [...this.#excluded];
    this.#excluded.clear();
    return excluded;
  }

  push(command: MasterCommand): void {
    this.#commands.push(command);
  }

  /** What the scheduler asks for: of workers as messages, of the shell as it is. */
  passOn(command: JobCommand): void {
    switch (command.kind) {
      case "cancelAttempt": {
        const known = this.#cancels.get(command.worker) ?? { keys: [], reason: command.reason };
        known.keys.push(command.key);
        this.#cancels.set(command.worker, known);
        return;
      }
      case "releaseResult":
        this.send(command.worker, { kind: "releaseResults", keys: [command.key] });
        return;
      case "discardOutput":
        this.discard(command.worker, command.session, command.shuffle, command.output);
        return;
      case "releaseShuffle":
        this.sendAll(command);
        return;
      case "uncache": {
        const { worker, session, node } = command;
        this.send(worker, { kind: "uncache", session, node });
        return;
      }
      case "workerExcluded":
        if (command.worker !== null) this.#excluded.add(command.worker);
        this.#commands.push(command);
        return;
      default:
        this.#commands.push(command);
    }
  }

  /** What was to be cancelled so far leaves before what follows. */
  flushCancels(): void {
    for (const [worker, { keys, reason }] of this.#cancels) this.send(worker, { kind: "cancel", keys, reason });
    this.#cancels.clear();
  }

  /** A map output that nobody counts on. */
  discard(
    worker: WorkerId,
    session: SessionId,
    shuffle: ShuffleId,
    { map, stage, attempt }: (JobCommand & { readonly kind: "discardOutput" })["output"],
  ): void {
    this.send(worker, { kind: "discard", session, shuffle, outputs: [{ map, stage, attempt }] });
  }

  sendAll(message: MasterToWorker): void {
    for (const { id } of this.#registry.all) this.send(id, message);
  }

  send(worker: WorkerId, message: MasterToWorker): void {
    const state = this.#registry.get(worker)?.state.kind;
    if (state !== undefined && state !== "disconnected") this.#commands.push({ kind: "send", worker, message });
  }
}
