// A TCP proxy that lets every byte through after a fixed delay each way, as a long line does: round trip = 2 x delay, no
// limit of its own on throughput.

import { connect, createServer, type Socket } from "node:net";

export interface SlowProxy {
  /** host:port to dial instead of the target. */
  readonly address: string;
  /** From now on nothing passes over the connections that there are, in either direction, and none of them ends. */
  freeze(): void;
  close(): Promise<void>;
}

/** `delayMs` each way; `tamper` may change what passes to the server. */
export async function startSlowProxy(
  target: string,
  delayMs: number,
  tamper: (bytes: Buffer) => Buffer = (bytes) => bytes,
): Promise<SlowProxy> {
  const [host, port] = splitAddress(target);
  const sockets = new Set<Socket>();
  const lines = new Set<Line>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host, port, noDelay: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => undefined);
    }
    const line = { frozen: false };
    lines.add(line);
    relay(near, far, delayMs, tamper, line);
    relay(far, near, delayMs, (bytes) => bytes, line);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address() as { port: number };
  return {
    address: `127.0.0.1:${bound.port}`,
    freeze() {
      for (const line of lines) line.frozen = true;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

interface Line {
  frozen: boolean;
}

/** One timer at a time, for the oldest bytes that wait: timers of Node count whole milliseconds. */
function relay(from: Socket, to: Socket, delayMs: number, change: (bytes: Buffer) => Buffer, line: Line): void {
  const waiting: { readonly due: number; readonly bytes: Buffer | null }[] = [];
  let timer: NodeJS.Timeout | null = null;
  const release = (): void => {
    timer = null;
    const now = performance.now();
    if (line.frozen) return;
    while (waiting.length > 0 && (waiting[0]?.due ?? 0) <= now) {
      const bytes = waiting.shift()?.bytes ?? null;
      if (bytes === null) to.end();
      else if (!to.destroyed) to.write(change(bytes));
    }
    arm();
  };
  const arm = (): void => {
    const next = waiting[0];
    if (timer === null && next !== undefined) timer = setTimeout(release, Math.max(0, next.due - performance.now()));
  };
  const hold = (bytes: Buffer | null): void => {
    waiting.push({ due: performance.now() + delayMs, bytes });
    arm();
  };
  from.on("data", hold);
  from.on("end", () => hold(null));
  from.on("close", () => {
    if (!line.frozen) to.destroySoon();
  });
}

function splitAddress(address: string): [string, number] {
  const at = address.lastIndexOf(":");
  return [address.slice(0, at), Number(address.slice(at + 1))];
}
