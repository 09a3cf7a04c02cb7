// Connections over MessagePorts: between threads of a process, or within one. The bytes are the wire's, and no object
// passes by reference: a sender that goes on using its buffer does not change what the receiver reads.

import { MessageChannel, type MessagePort } from "node:worker_threads";
import { type Connection, ConnectionHandlers } from "./connection.js";

/** Two ends of one conversation in this process. */
export function connectionPair(): [Connection, Connection] {
  const { port1, port2 } = new MessageChannel();
  return [portConnection(port1), portConnection(port2)];
}

/** One end over a port whose other end is given to `portConnection` elsewhere. */
export function portConnection(port: MessagePort): Connection {
  const handlers = new ConnectionHandlers();
  port.on("message", (bytes: Uint8Array) => handlers.message(bytes));
  // A thread that dies closes its ports: the other side learns it here.
  port.on("close", () => handlers.end(null));
  return {
    send(bytes) {
      if (handlers.isEnded) return;
      // Encoders hand out slices of a shared pool, so the message gets memory of its own and then moves without a copy.
      const own = new Uint8Array(bytes);
      port.postMessage(own, [own.buffer]);
    },
    onMessage: (handler) => handlers.onMessage(handler),
    onClose: (handler) => handlers.onClose(handler),
    close: () => port.close(),
    // Ports hand over at once.
    bufferedBytes: 0,
  };
}
