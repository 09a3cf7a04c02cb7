// Whatever bytes arrive on a port, the server stays up and serves a good client; nothing that was not authenticated reaches
// a handler.

import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { greet } from "../../src/rpc/access/handshake.js";
import type { SecureSession } from "../../src/rpc/access/seal.js";
import { dial, type RpcServer, Secret, serve } from "../../src/rpc/index.js";
import { startSlowProxy } from "../support/slow-proxy.js";

const secret = new Secret("a secret for the fuzz test");
const identity = { role: "worker", id: "w1", secret, version: "1" } as const;
const handled: string[] = [];
let server: RpcServer;

beforeAll(async () => {
  server = await serve({
    host: "127.0.0.1",
    port: 0,
    secret,
    version: "1",
    services: {
      workers: (connection) =>
        connection.onMessage((bytes) => {
          handled.push(Buffer.from(bytes).toString());
          connection.send(bytes);
        }),
      drivers: () => handled.push("driver"),
      blobs: () => new Uint8Array(1),
      blocks: (request) => {
        handled.push(JSON.stringify(request));
        return [new Uint8Array(10)];
      },
      admin: () => handled.push("admin"),
    },
  });
});

afterAll(() => server.close());

/** A good client still works, and nobody but it was heard. */
async function expectHealthy(): Promise<void> {
  handled.length = 0;
  const channel = await dial({ address: server.address, ...identity });
  const connection = channel.open("workers");
  const answer = new Promise((resolve, reject) => {
    connection.onMessage((bytes) => resolve(Buffer.from(bytes).toString()));
    connection.onClose((error) => reject(error ?? new Error("closed")));
  });
  connection.send(Buffer.from("good"));
  expect(await answer).toBe("good");
  connection.close();
  channel.close();
  expect(handled).toEqual(["good"]);
}

async function open(): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port: server.port });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** Not `once`, which rejects at a reset. */
function closing(stream: NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve) => stream.on("close", () => resolve()));
}

/** Sends bytes and waits until the server hangs up, which it does by itself for what is no greeting. */
async function throwAt(bytes: Uint8Array, finish: boolean): Promise<void> {
  const socket = await open();
  socket.resume();
  const closed = closing(socket);
  if (finish) socket.end(bytes);
  else socket.write(bytes, () => socket.resetAndDestroy());
  await closed;
}

describe("before the greeting", () => {
  const magic = Buffer.from("\x00MILLRACE1\n", "latin1");

  test("random bytes, also after a true beginning, also with a reset", async () => {
    const beginnings = fc.constantFrom(Buffer.alloc(0), magic, Buffer.concat([magic, Buffer.from("\x011\x06worker")]));
    await fc.assert(
      fc.asyncProperty(beginnings, fc.uint8Array({ maxLength: 3000 }), fc.boolean(), (beginning, bytes, finish) =>
        throwAt(Buffer.concat([beginning, bytes]), finish),
      ),
      { numRuns: 150 },
    );
    await expectHealthy();
  });

  test("HTTP, TLS and HTTP/2 clients are turned away", async () => {
    await throwAt(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), true);
    await throwAt(Buffer.from("16030100c8010000c40303", "hex"), true);
    const session = connectHttp2(`http://127.0.0.1:${server.port}`);
    session.on("error", () => undefined);
    await closing(session);
    await expectHealthy();
  });

  test("megabytes are not read: the server hangs up at what is no greeting", async () => {
    const socket = await open();
    const closed = closing(socket);
    socket.resume();
    socket.write(Buffer.alloc(8 * 1024 * 1024, 65));
    await closed;
    expect(socket.bytesWritten).toBeGreaterThan(0);
    await expectHealthy();
  });

  test("a hundred silent peers keep nobody out", async () => {
    const silent = await Promise.all(Array.from({ length: 100 }, open));
    await expectHealthy();
    for (const socket of silent) socket.destroy();
  });

  test("a peer that does not prove itself in time is cut off", async () => {
    const refused: string[] = [];
    const impatient = await serve({
      host: "127.0.0.1",
      port: 0,
      secret,
      version: "1",
      services: { workers: () => undefined },
      greetingMs: 30,
      onRefused: (error) => refused.push(error.message),
    });
    const socket = connect({ host: "127.0.0.1", port: impatient.port });
    socket.resume();
    socket.write(magic);
    await closing(socket);
    expect(refused).toEqual(["no answer within 30 ms"]);
    await impatient.close();
  });

  test("a greeting recorded and played again is worth nothing", async () => {
    const said: Buffer[] = [];
    const proxy = await startSlowProxy(server.address, 0, (bytes) => {
      said.push(Buffer.from(bytes));
      return bytes;
    });
    const channel = await dial({ address: proxy.address, ...identity });
    await channel.fetch({ real: true }, () => undefined);
    channel.close();
    await proxy.close();
    await throwAt(Buffer.concat(said), true);
    await expectHealthy();
  });
});

describe("after the greeting", () => {
  /** A peer that knows the secret and then speaks as it likes. */
  async function insider(): Promise<{ socket: Socket; session: SecureSession }> {
    const socket = await open();
    return { socket, session: await greet(socket, server.address, identity) };
  }

  /** One gRPC call with these message bytes as its body; answers its status. */
  async function call(socket: Socket, path: string, bodies: readonly Uint8Array[]): Promise<string> {
    const http2 = connectHttp2("http://127.0.0.1", { createConnection: () => socket });
    http2.on("error", () => undefined);
    const stream = http2.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status = "none";
    stream.on("response", (headers) => (status = String(headers["grpc-status"] ?? status)));
    stream.on("trailers", (trailers) => (status = String(trailers["grpc-status"])));
    stream.on("error", () => undefined);
    stream.resume();
    for (const body of bodies) stream.write(body);
    stream.end();
    await closing(stream);
    http2.destroy();
    return status;
  }

  const frame = (message: Uint8Array) => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.byteLength, 1);
    return Buffer.concat([head, message]);
  };
  const paths = ["/millrace.Workers/Control", "/millrace.Blocks/Fetch", "/millrace.Admin/Ask", "/none.Such/Method"];

  test("random bytes on the connection, random messages in every method", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (bytes) => {
        const { socket } = await insider();
        socket.resume();
        const closed = closing(socket);
        socket.end(bytes);
        await closed;
      }),
      { numRuns: 40 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...paths),
        fc.uint8Array({ maxLength: 300 }),
        fc.boolean(),
        async (path, b, framed) => {
          const { socket } = await insider();
          expect(await call(socket, path, [framed ? frame(b) : b])).not.toBe("0");
        },
      ),
      { numRuns: 60 },
    );
    await expectHealthy();
  });

  test("an oversized message is refused by its announced length", async () => {
    const { socket } = await insider();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(100 * 1024 * 1024, 1);
    expect(await call(socket, "/millrace.Blocks/Fetch", [head, Buffer.alloc(100_000)])).not.toBe("0");
    await expectHealthy();
  });

  test("a message without its code, of another method, or used twice is refused", async () => {
    const path = "/millrace.Blocks/Fetch";
    const request = Buffer.concat([Buffer.from([2, 0, 0, 0]), Buffer.from("{}")]);
    const good = await insider();
    const sealed = good.session.openCall(path).seal(request);
    expect(await call(good.socket, path, [frame(sealed)])).toBe("0");

    const flipped = await insider();
    const wrong = flipped.session.openCall(path).seal(request);
    wrong[wrong.byteLength - 1]! ^= 1;
    expect(await call(flipped.socket, path, [frame(wrong)])).toBe("16");

    const elsewhere = await insider();
    const other = elsewhere.session.openCall("/millrace.Blobs/Get").seal(request);
    expect(await call(elsewhere.socket, path, [frame(other)])).toBe("16");

    // Another connection has other keys.
    const later = await insider();
    expect(await call(later.socket, path, [frame(sealed)])).toBe("16");
    await expectHealthy();
  });

  test("bytes changed on the way end the conversation, unheard", async () => {
    const proxy = await startSlowProxy(server.address, 0, (bytes) => {
      const at = bytes.indexOf("tell the truth");
      if (at >= 0) bytes.write("tell them lies", at, "latin1");
      return bytes;
    });
    handled.length = 0;
    const channel = await dial({ address: proxy.address, ...identity });
    const connection = channel.open("workers");
    const end = new Promise<Error | null>((resolve) => connection.onClose(resolve));
    connection.send(Buffer.from("tell the truth"));
    expect(await end).toMatchObject({ code: "AUTHENTICATION_FAILED" });
    expect(handled).toEqual([]);
    channel.close();
    await proxy.close();
    await expectHealthy();
  });

  test("random plain data in a sealed message is an error of its call", async () => {
    const channel = await dial({ address: server.address, ...identity });
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (data) => {
        await channel.fetch(data, () => undefined);
      }),
      { numRuns: 50 },
    );
    channel.close();
    await expectHealthy();
  });
});
