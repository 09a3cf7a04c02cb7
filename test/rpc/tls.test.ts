// Encrypted connections: certificates by `millrace certs`, conversations and blocks through them, nothing readable on the way,
// and who is turned away with what error.

import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { certs } from "../../src/cli/commands/certs.js";
import { tlsIdentity } from "../../src/rpc/access/tls.js";
import { type Connection, type DialOptions, dial, Secret, type Services, serve } from "../../src/rpc/index.js";
import { scratchDirectory } from "../support/scratch.js";

const secret = new Secret("correct horse battery staple");
const version = "1.2.3";
const scratch = scratchDirectory();
const at = (name: string) => join(scratch, name);
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  const make = (out: string, hosts: string, ca?: string) =>
    certs({ out: at(out), hosts, days: "2", ...(ca === undefined ? {} : { ca: at(ca) }) });
  await make("a", "localhost,127.0.0.1");
  await make("a-elsewhere", "node7.lan", "a");
  await make("b", "localhost,127.0.0.1");
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const identity = (name: string) => tlsIdentity(at(name));

async function start(services: Services, tls: string | null = "a") {
  const server = await serve({
    host: "127.0.0.1",
    port: 0,
    secret,
    version,
    services,
    tls: tls === null ? null : identity(tls),
    greetingMs: 2_000,
  });
  cleanups.push(() => server.close());
  return server;
}

async function connect(address: string, tls: string | null = "a", changes: Partial<DialOptions> = {}) {
  const own = tls === null ? null : identity(tls);
  const channel = await dial({
    address,
    role: "worker",
    id: "w1",
    secret,
    version,
    tls: own,
    timeoutMs: 3000,
    ...changes,
  });
  cleanups.push(() => channel.close());
  return channel;
}

const echo = (connection: Connection) => connection.onMessage((bytes) => connection.send(bytes));

describe("with certificates of one authority", () => {
  test("a conversation and a stream of blocks pass, large ones too", async () => {
    const block = new Uint8Array(3_000_000).map((_, i) => i % 251);
    const server = await start({
      workers: echo,
      *blocks() {
        for (let from = 0; from < block.length; from += 1_000_000) yield block.subarray(from, from + 1_000_000);
      },
    });
    const connection = (await connect(server.address)).open("workers");
    const said = new Promise<Uint8Array>((resolve) => connection.onMessage(resolve));
    connection.send(Uint8Array.of(1, 2, 3));
    expect([...(await said)]).toEqual([1, 2, 3]);
    connection.close();
    const chunks: Uint8Array[] = [];
    const blocks = await connect(server.address, "a", { purpose: "blocks" });
    await blocks.fetch({ what: "ever" }, (chunk) => chunks.push(chunk));
    expect(Buffer.concat(chunks).equals(block)).toBe(true);
  });

  test("many at once are greeted", async () => {
    const server = await start({ admin: (question) => question });
    const ask = async (n: number) => (await connect(server.address, "a", { role: "admin", id: `c${n}` })).ask({ n });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n)));
    expect(answers).toEqual(Array.from({ length: 20 }, (_, n) => ({ n })));
  });

  test("nothing that is said can be read on the way", async () => {
    const text = "a sentence that would be found in the clear";
    const overheard = async (tls: string | null) => {
      const server = await start({ admin: (question) => question }, tls);
      const seen: Buffer[] = [];
      const tap = createServer((near) => {
        const far: Socket = connectTcp(server.port, "127.0.0.1");
        for (const [from, to] of [
          [near, far],
          [far, near],
        ] as const) {
          from.on("error", () => undefined);
          from.on("data", (bytes) => {
            seen.push(bytes);
            to.write(bytes);
          });
          from.on("close", () => to.destroy());
        }
      });
      await new Promise<void>((resolve) => tap.listen(0, "127.0.0.1", resolve));
      cleanups.push(() => new Promise((resolve) => tap.close(resolve)));
      const address = `127.0.0.1:${(tap.address() as { port: number }).port}`;
      expect(await (await connect(address, tls, { role: "admin" })).ask({ text })).toEqual({ text });
      return Buffer.concat(seen).includes(text);
    };
    // That it would be seen without is what makes the other half mean something.
    expect(await overheard(null)).toBe(true);
    expect(await overheard("a")).toBe(false);
  });

  test("a host beyond loopback needs no --insecure", async () => {
    const given = { host: "0.0.0.0", port: 0, secret, version, services: { workers: echo } };
    await expect(serve(given)).rejects.toMatchObject({ code: "INSECURE_LISTEN" });
    const server = await serve({ ...given, advertise: "127.0.0.1", tls: identity("a") });
    cleanups.push(() => server.close());
    await connect(server.address);
  });
});

describe("turned away", () => {
  const failure = (address: string, tls: string | null) =>
    connect(address, tls).then(
      () => "connected",
      (error) => error.code,
    );

  test("another authority, on either side", async () => {
    const server = await start({ workers: echo });
    expect(await failure(server.address, "b")).toBe("TLS_FAILED");
  });

  test("a certificate for another name", async () => {
    const server = await start({ workers: echo }, "a-elsewhere");
    await expect(connect(server.address)).rejects.toMatchObject({
      code: "TLS_FAILED",
      message: expect.stringContaining("does not match certificate's altnames"),
    });
  });

  test("a peer that has none, and one that wants what the server has not", async () => {
    const secured = await start({ workers: echo });
    expect(await failure(secured.address, null)).toBe("NOT_A_MASTER");
    const plain = await start({ workers: echo }, null);
    expect(await failure(plain.address, "a")).toBe("TLS_FAILED");
    // And both go on serving those who are right.
    await connect(secured.address);
    await connect(plain.address, null);
  });

  test("a right certificate with a wrong secret", async () => {
    const server = await start({ workers: echo });
    await expect(
      connect(server.address, "a", { secret: new Secret("another secret altogether") }),
    ).rejects.toMatchObject({ code: "AUTHENTICATION_FAILED" });
  });

  test("a peer that says nothing is cut off", async () => {
    const server = await start({ workers: echo });
    const socket = connectTcp(server.port, "127.0.0.1");
    socket.on("error", () => undefined);
    await new Promise<void>((resolve) => socket.on("close", () => resolve()));
  });
});

describe("a directory is refused", () => {
  const changed = (name: string, change: (directory: string) => void) => {
    mkdirSync(at(name));
    for (const file of ["ca.crt", "tls.crt", "tls.key"]) copyFileSync(join(at("a"), file), join(at(name), file));
    chmodSync(join(at(name), "tls.key"), 0o600);
    change(at(name));
    return () => tlsIdentity(at(name));
  };

  test("without a file, with one that is not PEM, with the certificate of another key", () => {
    expect(() => tlsIdentity(at("nowhere"))).toThrow(expect.objectContaining({ code: "PATH_NOT_FOUND" }));
    const garbled = changed("garbled", (directory) => writeFileSync(join(directory, "tls.crt"), "hello"));
    expect(garbled).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
    const mixed = changed("mixed", (directory) => copyFileSync(join(at("b"), "tls.crt"), join(directory, "tls.crt")));
    expect(mixed).toThrow("does not belong to the key");
  });

  test("with a key that others may read", () => {
    const open = changed("open", (directory) => chmodSync(join(directory, "tls.key"), 0o644));
    expect(open).toThrow(expect.objectContaining({ code: "PERMISSION_DENIED" }));
  });

  test("by certs, which replaces nothing and checks names", async () => {
    const before = readFileSync(join(at("a"), "tls.key"), "utf8");
    await expect(certs({ out: at("a"), hosts: "x", days: "2" })).rejects.toMatchObject({ code: "INVALID_OPTION" });
    expect(readFileSync(join(at("a"), "tls.key"), "utf8")).toBe(before);
    await expect(certs({ out: at("c"), hosts: "a b", days: "2" })).rejects.toThrow('found "a b"');
    await expect(certs({ out: at("c"), hosts: "x", days: "2", ca: at("nowhere") })).rejects.toThrow(
      "expected the directory",
    );
  });
});
