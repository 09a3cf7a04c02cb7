// The simulated master process: the real shell (machine, sessions, result relays, commits) over simulated connections. What it
// sends to workers is watched: an attempt whose work it counts must not be one that it has given up.

import type { BlobHash } from "../../../src/core/ids.js";
import type { MasterMachine } from "../../../src/master/core.js";
import type { MasterCommand } from "../../../src/master/events.js";
import type { MasterOptions } from "../../../src/master/options.js";
import { MasterShell, type MasterShellOptions } from "../../../src/master/shell.js";
import type { Connection } from "../../../src/rpc/connection.js";
import type { SimulatedNode } from "../world/node.js";
import type { SimulatedWorker } from "./worker.js";

export interface MasterWorld {
  readonly options: MasterOptions;
  readonly valueInlineBytes: number;
  readonly openBlock: MasterShellOptions["openBlock"];
  /** A command of the machine, before it is performed. */
  saw(command: MasterCommand): void;
  note(line: () => string): void;
}

/** DRIVER_TIMEOUT_MS of `millrace master`. */
const DRIVER_TIMEOUT_MS = 60_000;

export class SimulatedMaster {
  readonly shell: MasterShell;
  readonly #sessionsOf: () => readonly string[];

  constructor(
    readonly node: SimulatedNode,
    world: MasterWorld,
  ) {
    node.start();
    let shell: MasterShell | null = null;
    node.step(node.life, () => {
      shell = new MasterShell({
        machine: world.options,
        url: "millrace://master:1",
        eventLogDir: null,
        openBlock: world.openBlock,
        driverTimeoutMs: DRIVER_TIMEOUT_MS,
        valueInlineBytes: world.valueInlineBytes,
        log: (message) => world.note(() => `master: ${message}`),
      });
    });
    this.shell = shell as unknown as MasterShell;
    watch(this.shell.machine, world.saw);
    this.#sessionsOf = () => this.shell.snapshot().sessions.map(({ id }) => id);
  }

  get machine(): MasterMachine {
    return this.shell.machine;
  }

  acceptWorker(connection: Connection, name: string): void {
    this.#soon(() => this.shell.acceptWorker(connection, name));
  }

  acceptDriver(connection: Connection): void {
    this.#soon(() => this.shell.acceptDriver(connection));
  }

  /** An administrator asks for it. */
  letGo(worker: SimulatedWorker, timeoutMs: number): void {
    this.#soon(() => this.shell.departures.decommission(worker.id, "simulated", timeoutMs));
  }

  readBlob(hash: BlobHash): Uint8Array {
    return this.shell.readBlob(hash);
  }

  /** Whether the process that runs is the one that the master knows, and is counted on. */
  knows(worker: SimulatedWorker): boolean {
    const record = this.machine.view.workers.find(({ id }) => id === worker.id);
    return record !== undefined && record.registration.pid === worker.node.pid && record.state.kind === "active";
  }

  /** Sessions that it still has. */
  leftovers(): string[] {
    return this.#sessionsOf().map((id) => `session ${id} is still open`);
  }

  #soon(act: () => void): void {
    this.node.after(0, act);
  }
}

/** Shows all that the machine commands. */
function watch(machine: MasterMachine, saw: (command: MasterCommand) => void): void {
  const handle = machine.handle.bind(machine);
  machine.handle = (event, now) => {
    const commands = handle(event, now);
    for (const command of commands) saw(command);
    return commands;
  };
}
