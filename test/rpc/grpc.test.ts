// Real sockets on loopback: conversations, blocks, blobs, questions; who is turned away and with what error.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { MillraceError } from "../../src/core/errors.js";
import {
  BlockClient,
  type Connection,
  type DialOptions,
  dial,
  type RpcChannel,
  Secret,
  type Services,
  serve,
} from "../../src/rpc/index.js";

const secret = new Secret("correct horse battery staple");
const version = "1.2.3";
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(services: Services) {
  const server = await serve({ host: "127.0.0.1", port: 0, secret, version, services });
  cleanups.push(() => server.close());
  return server;
}

async function connect(address: string, changes: Partial<DialOptions> = {}): Promise<RpcChannel> {
  const channel = await dial({ address, role: "worker", id: "w1", secret, version, timeoutMs: 3000, ...changes });
  cleanups.push(() => channel.close());
  return channel;
}

function next(connection: Connection): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    connection.onMessage(resolve);
    connection.onClose((error) => reject(error ?? new Error("closed")));
  });
}

const closed = (connection: Connection) => new Promise<Error | null>((resolve) => connection.onClose(resolve));
const echo: Services = { workers: (connection) => connection.onMessage((bytes) => connection.send(bytes)) };

describe("a conversation", () => {
  test("carries messages both ways, in order, whole, with the peer's proven name", async () => {
    const peers: unknown[] = [];
    const server = await start({
      workers: (connection, peer) => {
        peers.push([peer.role, peer.id]);
        connection.onMessage((bytes) => connection.send(bytes));
      },
    });
    const connection = (await connect(server.address)).open("workers");
    const sizes = [0, 1, 100, 256 * 1024, 256 * 1024 + 1, 5_000_000, 3];
    const received: number[] = [];
    const all = new Promise<void>((resolve, reject) => {
      connection.onClose((error) => reject(error ?? new Error("closed")));
      connection.onMessage((bytes) => {
        expect(bytes.every((byte) => byte === bytes.byteLength % 251)).toBe(true);
        if (received.push(bytes.byteLength) === sizes.length) resolve();
      });
    });
    for (const size of sizes) connection.send(new Uint8Array(size).fill(size % 251));
    expect(connection.bufferedBytes).toBeGreaterThan(5_000_000);
    await all;
    expect(received).toEqual(sizes);
    expect(peers).toEqual([["worker", "w1"]]);
    expect(connection.bufferedBytes).toBe(0);
  });

  test("ends cleanly from the client's side", async () => {
    let end: Promise<Error | null> | null = null;
    const server = await start({
      workers: (connection) => {
        end = closed(connection);
        connection.onMessage((bytes) => connection.send(bytes));
      },
    });
    const connection = (await connect(server.address)).open("workers");
    connection.send(Buffer.from("x"));
    await next(connection);
    const own = closed(connection);
    connection.close();
    expect(await end).toBeNull();
    expect(await own).toBeNull();
  });

  test("ends cleanly from the server's side, after what was sent", async () => {
    const server = await start({
      workers: (connection) => {
        connection.send(Buffer.from("bye"));
        connection.close();
      },
    });
    const connection = (await connect(server.address)).open("workers");
    const own = closed(connection);
    const messages: string[] = [];
    connection.onMessage((bytes) => messages.push(Buffer.from(bytes).toString()));
    expect(await own).toBeNull();
    expect(messages).toEqual(["bye"]);
  });

  test("a lost server is MASTER_LOST, a lost worker WORKER_LOST", async () => {
    let atServer: Promise<Error | null> | null = null;
    const server = await start({
      workers: (connection) => {
        atServer = closed(connection);
        connection.onMessage((bytes) => connection.send(bytes));
      },
    });
    const connection = (await connect(server.address)).open("workers");
    connection.send(Buffer.from("x"));
    await next(connection);
    const own = closed(connection);
    await server.close();
    expect(await own).toMatchObject({ code: "MASTER_LOST" });
    expect(await atServer).toMatchObject({ code: "WORKER_LOST" });
  });
});

describe("blocks, blobs and questions", () => {
  test("a block stream arrives whole and waits for its reader", async () => {
    let produced = 0;
    const server = await start({
      blocks: function* (request) {
        for (let i = 0; i < (request as { chunks: number }).chunks; i++) {
          produced++;
          yield new Uint8Array(256 * 1024).fill(i);
        }
      },
    });
    const channel = await connect(server.address, { purpose: "blocks" });
    let chunks = 0;
    let go = () => {};
    let aheadOfReader = 0;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const fetching = channel.fetch({ chunks: 400 }, async (chunk) => {
      expect(chunk[0]).toBe(chunks % 256);
      if (chunks++ === 0) {
        await gate;
        aheadOfReader = produced;
      }
    });
    // The question goes through the same server while the stream stands still.
    const other = await connect(server.address, { purpose: "blocks" });
    await other.fetch({ chunks: 1 }, () => undefined);
    go();
    await fetching;
    expect(chunks).toBe(400);
    expect(aheadOfReader).toBeLessThan(300);
  });

  test("an error of the provider keeps its code and fields", async () => {
    const server = await start({
      // biome-ignore lint/correctness/useYield: it fails first
      blocks: function* () {
        throw new MillraceError("BLOCK_CORRUPT", "map 7 is broken", { fields: { map: 7 } });
      },
    });
    const channel = await connect(server.address);
    const fetching = channel.fetch({}, () => undefined);
    await expect(fetching).rejects.toMatchObject({
      code: "BLOCK_CORRUPT",
      message: "map 7 is broken",
      fields: { map: 7 },
    });
  });

  test("a silent provider is FETCH_FAILED, an abort ends the stream at both ends", async () => {
    let ended = 0;
    const hanging: (() => void)[] = [];
    const server = await start({
      blocks: async function* () {
        try {
          for (;;) {
            yield new Uint8Array(10);
            await new Promise<void>((resolve) => hanging.push(resolve));
          }
        } finally {
          ended++;
        }
      },
    });
    const channel = await connect(server.address);
    await expect(channel.fetch({}, () => undefined, { timeoutMs: 50 })).rejects.toMatchObject({ code: "FETCH_FAILED" });
    const stop = new AbortController();
    const reason = new MillraceError("JOB_CANCELLED", "stop");
    const fetching = channel.fetch({}, () => stop.abort(reason), { signal: stop.signal });
    await expect(fetching).rejects.toBe(reason);
    const resumed = () => {
      for (const resume of hanging.splice(0)) resume();
      return ended;
    };
    await expect.poll(resumed).toBe(2);
  });

  test("a block client shares a connection, and dials anew after a server came back", async () => {
    const peers = new Set<string>();
    const services: Services = {
      blocks: (_request, peer) => {
        peers.add(peer.address);
        return [new Uint8Array(5)];
      },
    };
    const server = await start(services);
    const client = new BlockClient({ role: "worker", id: "w1", secret, version });
    cleanups.push(() => client.close());
    let bytes = 0;
    const fetch = () => client.fetch(server.address, {}, (chunk) => (bytes += chunk.byteLength));
    await Promise.all([fetch(), fetch(), fetch()]);
    expect(bytes).toBe(15);
    expect(peers.size).toBe(1);
    await server.close();
    await expect(fetch()).rejects.toMatchObject({ code: "FETCH_FAILED" });
    await expect(fetch()).rejects.toMatchObject({
      code: "FETCH_FAILED",
      message: expect.stringContaining("cannot be reached"),
    });
    const again = await serve({ host: "127.0.0.1", port: server.port, secret, version, services });
    cleanups.push(() => again.close());
    await fetch();
    expect(bytes).toBe(20);
  });

  test("a fetch ends with its signal also while it waits for a process that hangs to answer the greeting", async () => {
    // As a stopped process: the system accepts the connection, nobody reads it.
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    cleanups.push(() => silent.close());
    const { port } = silent.address() as AddressInfo;
    const client = new BlockClient({ role: "worker", id: "w1", secret, version });
    cleanups.push(() => client.close());
    const connected = new Promise<Socket>((resolve) => silent.once("connection", resolve));
    const abort = new AbortController();
    const given = new MillraceError("FETCH_FAILED", "it was given up");
    let ended = false;
    const fetching = client
      .fetch(`127.0.0.1:${port}`, {}, () => undefined, { signal: abort.signal })
      .catch((error) => {
        ended = true;
        return error;
      });
    const socket = await connected;
    expect(ended).toBe(false);
    abort.abort(given);
    expect(await fetching).toBe(given);
    socket.destroy();
  });

  test("a blob is checked against its hash", async () => {
    const bytes = new Uint8Array(700_000).fill(5);
    const hash = createHash("sha256").update(bytes).digest("hex") as never;
    const server = await start({ blobs: (asked) => (asked === hash ? bytes : new Uint8Array(3)) });
    const channel = await connect(server.address);
    expect(await channel.getBlob(hash)).toHaveLength(700_000);
    await expect(channel.getBlob("00" as never)).rejects.toMatchObject({ code: "BLOCK_CORRUPT" });
  });

  test("questions are for admins", async () => {
    const server = await start({ ...echo, admin: (question, peer) => ({ question, role: peer.role }) });
    const admin = await connect(server.address, { role: "admin" });
    expect(await admin.ask({ what: "status" })).toEqual({ question: { what: "status" }, role: "admin" });
    const worker = await connect(server.address);
    await expect(worker.ask({})).rejects.toMatchObject({ code: "PERMISSION_REFUSED" });
    const connection = admin.open("workers");
    expect(await closed(connection)).toMatchObject({ code: "PERMISSION_REFUSED" });
  });
});

describe("who is turned away", () => {
  test("another secret, version or role", async () => {
    const server = await start(echo);
    const other = new Secret("another secret altogether");
    await expect(connect(server.address, { secret: other })).rejects.toMatchObject({ code: "AUTHENTICATION_FAILED" });
    await expect(connect(server.address, { version: "9.9.9" })).rejects.toMatchObject({
      code: "VERSION_MISMATCH",
      fields: { ours: "9.9.9", theirs: "1.2.3" },
    });
    await expect(connect(server.address, { role: "admin" })).rejects.toMatchObject({ code: "PERMISSION_REFUSED" });
    const connection = (await connect(server.address)).open("workers");
    connection.send(Buffer.from("still here"));
    expect(Buffer.from(await next(connection)).toString()).toBe("still here");
  });

  test("nobody listens: MASTER_UNREACHABLE, at once", async () => {
    const server = await start(echo);
    const { address } = server;
    await server.close();
    await expect(connect(address)).rejects.toMatchObject({ code: "MASTER_UNREACHABLE" });
  });

  const strangers: Record<string, (server: Server) => void> = {
    "answers HTTP": (server) => server.on("connection", (s) => s.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
    "says nothing": () => undefined,
    "hangs up": (server) => server.on("connection", (s) => s.destroy()),
  };
  for (const [what, behave] of Object.entries(strangers)) {
    test(`what ${what} is NOT_A_MASTER`, async () => {
      const stranger = createServer((socket) => {
        socket.on("error", () => undefined);
        cleanups.push(() => socket.destroy());
      }).listen(0, "127.0.0.1");
      cleanups.push(() => stranger.close());
      behave(stranger);
      await once(stranger, "listening");
      const { port } = stranger.address() as { port: number };
      await expect(connect(`127.0.0.1:${port}`, { timeoutMs: 500 })).rejects.toMatchObject({ code: "NOT_A_MASTER" });
    });
  }

  test("a taken port is PORT_IN_USE, listening beyond loopback INSECURE_LISTEN", async () => {
    const { port } = await start(echo);
    const again = serve({ host: "127.0.0.1", port, secret, version, services: echo });
    await expect(again).rejects.toMatchObject({ code: "PORT_IN_USE" });
    const open = serve({ host: "0.0.0.0", port: 0, secret, version, services: echo });
    await expect(open).rejects.toMatchObject({ code: "INSECURE_LISTEN" });
    const allowed = await serve({ host: "0.0.0.0", port: 0, insecure: true, secret, version, services: echo });
    await allowed.close();
  });
});
