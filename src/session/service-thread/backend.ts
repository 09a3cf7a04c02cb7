// What the service thread asks of each kind of master (open-*.ts) and gets from it.

import type { MessagePort, Transferable } from "node:worker_threads";
import type { OptionValues } from "../../core/options.js";
import type { FromService, ServiceData } from "./messages.js";

/** What the service thread uses of rpc's Connection, which session/ itself may not know. */
export interface MasterConnection {
  send(message: Uint8Array): unknown;
  onMessage(listener: (message: Uint8Array) => void): void;
  onClose(listener: (error: Error | null) => void): void;
}

/** What a master URL was turned into. */
export interface Backend {
  /** The driver's conversation with the master. */
  readonly connection: MasterConnection;
  /** Ends the event logs of a master of this process. */
  endLogs?(): Promise<void>;
  /** Ends everything of it. */
  close(): Promise<void>;
}

export interface BackendRequest {
  readonly data: ServiceData;
  readonly values: OptionValues;
  readonly log: (message: string) => void;
  readonly post: (message: FromService, transfer?: readonly Transferable[]) => void;
  /** Asks the user's thread to run a slot's call. */
  readonly callUserThread: (call: unknown, port: MessagePort | null) => Promise<unknown>;
  /** A short name of this session's processes and directories. */
  readonly name: string;
}
