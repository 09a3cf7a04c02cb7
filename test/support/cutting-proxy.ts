// A TCP proxy whose connections a test cuts (both ends see them end) or freezes (nothing passes, nobody is told: a network
// that is gone).

import { connect, createServer, type Socket } from "node:net";

export interface CuttingProxy {
  /** host:port to dial instead of the target. */
  readonly address: string;
  /** Connections that are open now. */
  readonly connections: number;
  /** Ends every connection; new ones are taken. */
  cut(): void;
  /** From now on nothing passes in either direction, on old connections and new ones. */
  freeze(): void;
  /** What waited passes, and what follows. */
  thaw(): void;
  close(): Promise<void>;
}

/** `target`: host:port. */
export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const at = target.lastIndexOf(":");
  const pairs = new Set<readonly [Socket, Socket]>();
  let frozen = false;
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (near) => {
    const far = connect({ host: target.slice(0, at), port: Number(target.slice(at + 1)), noDelay: true });
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on("error", () => undefined);
      from.on("data", (bytes) => to.write(bytes));
      from.on("close", () => {
        to.destroySoon();
        pairs.delete(pair);
      });
      if (frozen) from.pause();
      else from.resume();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address() as { port: number };
  const each = (act: (socket: Socket) => void) => {
    for (const pair of [...pairs]) for (const socket of pair) act(socket);
  };
  return {
    address: `127.0.0.1:${bound.port}`,
    get connections() {
      return pairs.size;
    },
    cut: () => each((socket) => socket.destroy()),
    freeze() {
      frozen = true;
      each((socket) => socket.pause());
    },
    thaw() {
      frozen = false;
      each((socket) => socket.resume());
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        each((socket) => socket.destroy());
      }),
  };
}
