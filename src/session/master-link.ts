// The session's end of its conversation with a master, whatever carries it: the service thread in the product, an
// interpreter of lineage in tests. Messages arrive in the order in which they were sent; none arrives before a handler is set.

import type { DriverToMaster, MasterToDriver } from "../protocol/driver.js";

export interface MasterLink {
  /** Never blocks and never throws: what cannot be sent any more is reported by `onClose`. */
  send(message: DriverToMaster): void;
  onMessage(handler: (message: MasterToDriver) => void): void;
  /** Called once when the conversation is over; null: because `close` was asked for. */
  onClose(handler: (error: Error | null) => void): void;
  /** Releases everything on the other side; resolves when that is done or its deadline has passed. */
  close(): Promise<void>;
}
