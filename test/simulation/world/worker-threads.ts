// In place of node:worker_threads where a slot asks its main thread: the port is the simulation's own (cluster/port.ts).

export function receiveMessageOnPort(port: { receive(): { message: unknown } | undefined }) {
  return port.receive();
}

export class MessageChannel {
  constructor() {
    throw new Error("the simulation starts no threads");
  }
}
