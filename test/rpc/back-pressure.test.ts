// Who reads slowly, or not at all: a server neither produces nor holds more for it than a window, and gives up a peer that does
// not read its control stream, with the reason.

import { connect as connectSocket, createServer, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { streamBlocks } from "../../src/rpc/block-stream.js";
import { BlockClient, type Connection, dial, Secret, type Services, serve } from "../../src/rpc/index.js";

const secret = new Secret("correct horse battery staple");
const version = "1.2.3";
const MIB = 1024 * 1024;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(services: Services) {
  const server = await serve({ host: "127.0.0.1", port: 0, secret, version, services });
  cleanups.push(() => server.close());
  return server;
}

/** A line between client and server on which the server's bytes stop at `stop()`, as with a client that hangs. */
async function line(port: number): Promise<{ readonly address: string; stop(): void }> {
  const sockets: Socket[] = [];
  const upstreams: Socket[] = [];
  const proxy = createServer((socket) => {
    const upstream = connectSocket(port, "127.0.0.1");
    sockets.push(socket, upstream);
    upstreams.push(upstream);
    for (const one of [socket, upstream]) one.on("error", () => undefined);
    socket.pipe(upstream);
    upstream.pipe(socket);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  const { port: own } = proxy.address() as { port: number };
  return {
    address: `127.0.0.1:${own}`,
    stop() {
      for (const upstream of upstreams) {
        upstream.unpipe();
        upstream.pause();
      }
    },
  };
}

test.each([
  // A window of 8 MiB; of 64 KiB where 20 servers and 4 slots share 4 MiB. Chunks ahead at either end, one queued, one taken.
  { limit: 48 * MIB, servers: 1, most: 11 * MIB },
  { limit: 4 * MIB, servers: 20, most: 3 * MIB },
])(
  "a taker that stops is served no further than the windows between: $most bytes",
  async ({ limit, servers, most }) => {
    let produced = 0;
    const chunk = new Uint8Array(256 * 1024);
    const server = await start({
      blocks: function* () {
        for (let at = 0; at < 256; at++) {
          produced += chunk.byteLength;
          yield chunk;
        }
      },
    });
    const client = new BlockClient({ role: "worker", id: "w1", secret, version }, limit, 4);
    cleanups.push(() => client.close());
    const stream = streamBlocks(client, server.address, {}, new AbortController().signal, servers);
    let taken = ((await stream.next()).value as Uint8Array).byteLength;
    // The same line carries a whole other stream meanwhile: whatever the server wanted to send of the first one, it has.
    for await (const _ of streamBlocks(client, server.address, {}, new AbortController().signal));
    const ofFirst = produced - 64 * MIB;
    expect(ofFirst).toBeLessThanOrEqual(most);
    for await (const bytes of stream) taken += bytes.byteLength;
    expect(taken).toBe(64 * MIB);
  },
);

test("a taker may let the other side wait longer than the other side may be silent", async () => {
  const server = await start({
    blocks: function* () {
      for (let at = 0; at < 64; at++) yield new Uint8Array(256 * 1024);
    },
  });
  const channel = await dial({ address: server.address, role: "worker", id: "w1", secret, version, purpose: "blocks" });
  cleanups.push(() => channel.close());
  const timeoutMs = 1_000;
  let taken = 0;
  const take = async (bytes: Uint8Array) => {
    taken += bytes.byteLength;
    if (taken === bytes.byteLength) await new Promise((resolve) => setTimeout(resolve, 2.5 * timeoutMs));
  };
  await channel.fetch({}, take, { timeoutMs });
  expect(taken).toBe(16 * MIB);
});

test("a worker that does not read its control stream is cut off with PEER_NOT_READING, and what waited for it is freed", async () => {
  let connection: Connection | null = null;
  const ended = new Promise<Error | null>((resolve, reject) => {
    void start({
      workers: (accepted) => {
        connection = accepted;
        accepted.onClose(resolve);
      },
    }).then(async (server) => {
      const way = await line(server.port);
      const channel = await dial({ address: way.address, role: "worker", id: "w1", secret, version });
      cleanups.push(() => channel.close());
      const control = channel.open("workers");
      control.onClose(() => undefined);
      control.send(Buffer.from("here"));
      while (connection === null) await new Promise((next) => setImmediate(next));
      way.stop();
      const message = new Uint8Array(MIB);
      for (let sent = 0; sent < 128; sent++) connection.send(message);
    }, reject);
  });
  expect(await ended).toMatchObject({ code: "PEER_NOT_READING", fields: { limit: 64 * MIB } });
  expect((connection as Connection | null)?.bufferedBytes).toBe(0);
});
