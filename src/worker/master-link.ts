// The worker's connection to its master, one after the other: messages both ways, the heartbeat, and the silence after which
// the master counts as gone. A network that lost the connection tells neither side: a master that does not even answer
// heartbeats is not there.

import { MillraceError } from "../core/errors.js";
import type { SteadyClock } from "../core/steady-clock.js";
import type { MasterToWorker, WorkerToMaster } from "../protocol/worker.js";
import { type Connection, decodeMasterToWorker, encodeWorkerMessage } from "../rpc/index.js";

export interface MasterLinkPorts {
  onMessage(message: MasterToWorker): void;
  /** The connection is over, before whoever attached it is told. */
  onLost(): void;
  beat(): void;
}

export class MasterLink {
  #connection: Connection | null = null;
  /** When the master was last heard of. */
  #heardMs = 0;
  #disconnected: (error: Error | null) => void = () => undefined;
  #heartbeat: NodeJS.Timeout | null = null;

  /** `silenceMs`: how long the master may be silent until it has said so itself. */
  constructor(
    private readonly ports: MasterLinkPorts,
    private readonly clock: SteadyClock,
    private silenceMs: number,
  ) {}

  /** Bytes that wait for the master to read them; null: none is connected. */
  get unreadBytes(): number | null {
    return this.#connection?.bufferedBytes ?? null;
  }

  /** Speaks over this connection from now on. */
  attach(connection: Connection, onClose: (error: Error | null) => void): void {
    this.#connection = connection;
    this.#heardMs = this.clock.now();
    connection.onMessage((bytes) => {
      if (this.#connection !== connection) return;
      this.#heardMs = this.clock.now();
      this.ports.onMessage(decodeMasterToWorker(bytes));
    });
    this.#disconnected = (error) => {
      if (this.#connection !== connection) return;
      this.#connection = null;
      this.#stopBeating();
      this.ports.onLost();
      onClose(error);
    };
    connection.onClose(this.#disconnected);
  }

  /** The master has taken the worker, and said how often it wants to hear of it. */
  registered(heartbeatMs: number, silenceMs: number): void {
    this.#stopBeating();
    this.#heartbeat = setInterval(() => this.ports.beat(), heartbeatMs);
    this.silenceMs = silenceMs;
  }

  /** Ends the connection when nothing was heard for too long. */
  check(now: number): void {
    const connection = this.#connection;
    if (connection === null || now - this.#heardMs < this.silenceMs) return;
    const message = `nothing was heard of the master for ${this.silenceMs} ms (worker.heartbeatTimeout)`;
    this.#disconnected(new MillraceError("MASTER_LOST", message, { fields: { timeoutMs: this.silenceMs } }));
    connection.close();
  }

  /** Lost where no master is connected: what must arrive is told again to the next one. */
  send(message: WorkerToMaster): void {
    this.#connection?.send(encodeWorkerMessage(message));
  }

  close(): void {
    this.#stopBeating();
    this.#connection?.close();
  }

  #stopBeating(): void {
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    this.#heartbeat = null;
  }
}
