// A connection between two shells of one thread. The bytes are the wire's encoded messages; each arrives in a later turn of
// the loop, so that neither side is ever called from inside its own `send`. No object passes by reference: a sender that goes
// on using its buffer does not change what the receiver reads.

import { type Connection, ConnectionHandlers } from "./connection.js";

/** Two ends of one conversation in this thread. */
export function connectionPair(): [Connection, Connection] {
  const left = new ConnectionHandlers();
  const right = new ConnectionHandlers();
  return [end(left, right), end(right, left)];
}

function end(own: ConnectionHandlers, other: ConnectionHandlers): Connection {
  let queue: Uint8Array[] = [];
  let closing = false;
  const flush = (): void => {
    const messages = queue;
    queue = [];
    for (const bytes of messages) other.message(bytes);
    if (!closing) return;
    own.end(null);
    other.end(null);
  };
  return {
    send(bytes) {
      if (own.isEnded || closing) return;
      if (queue.push(new Uint8Array(bytes)) === 1) setImmediate(flush);
    },
    onMessage: (handler) => own.onMessage(handler),
    onClose: (handler) => own.onClose(handler),
    close() {
      if (closing || own.isEnded) return;
      closing = true;
      if (queue.length === 0) setImmediate(flush);
    },
    get bufferedBytes() {
      return queue.reduce((sum, bytes) => sum + bytes.byteLength, 0);
    },
  };
}
