// Secrets, where a server may listen, and seals: pure, without sockets.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { roleKey } from "../../src/rpc/access/roles.js";
import { SecureSession } from "../../src/rpc/access/seal.js";
import { checkListen, formatAddress, loadSecret, Secret } from "../../src/rpc/index.js";

const text = "0123456789abcdef0123456789abcdef";

describe("a secret", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "millrace-secret-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test("is read from a file that others cannot read, which beats the environment", () => {
    const file = join(directory, "secret");
    writeFileSync(file, `${text}\n`, { mode: 0o600 });
    expect(loadSecret({ file, env: { MILLRACE_SECRET: "another secret of length" } })?.reveal()).toBe(text);
    expect(loadSecret({ env: { MILLRACE_SECRET: text } })?.reveal()).toBe(text);
    expect(loadSecret({ env: {} })).toBeNull();
  });

  test("is refused from a lax file, a missing one, a directory, or when short", () => {
    const file = join(directory, "secret");
    writeFileSync(file, text, { mode: 0o600 });
    chmodSync(file, 0o640);
    expect(() => loadSecret({ file })).toThrow(/mode 0640.*chmod 600/);
    expect(() => loadSecret({ file: join(directory, "none") })).toThrow(
      expect.objectContaining({ code: "PATH_NOT_FOUND" }),
    );
    expect(() => loadSecret({ file: directory })).toThrow(/is not a file/);
    expect(() => loadSecret({ env: { MILLRACE_SECRET: "short" } })).toThrow(/has 5 characters/);
  });

  test("shows itself nowhere", () => {
    const secret = new Secret(text);
    for (const shown of [String(secret), `${secret}`, JSON.stringify({ secret }), inspect({ secret }, { depth: 9 })]) {
      expect(shown).not.toContain(text);
    }
  });

  test("gives each role a key of its own", () => {
    const secret = new Secret(text);
    const keys = (["driver", "worker", "admin", "master"] as const).map((role) =>
      roleKey(secret, role).toString("hex"),
    );
    expect(new Set(keys).size).toBe(4);
    expect(Secret.generate().reveal()).not.toBe(Secret.generate().reveal());
  });
});

test("only loopback may be listened on without --insecure", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
    expect(() => checkListen(host, false)).not.toThrow();
  for (const host of ["0.0.0.0", "::", "10.0.0.5", "node1.lan", "127.0.0.1.example.com"]) {
    expect(() => checkListen(host, false)).toThrow(expect.objectContaining({ code: "INSECURE_LISTEN" }));
    expect(() => checkListen(host, true)).not.toThrow();
  }
  expect(formatAddress("::1", 7077)).toBe("[::1]:7077");
});

describe("seals", () => {
  const peer = { role: "worker", id: "w", address: "a:1" } as const;
  const ends = () => {
    const key = Buffer.alloc(32, 7);
    return { client: new SecureSession(peer, key, "client"), server: new SecureSession(peer, key, "server") };
  };
  const bytes = Buffer.from("payload");

  test("open in order only, for both purposes and directions", () => {
    for (const purpose of ["message", "bulk"] as const) {
      const { client, server } = ends();
      const call = client.openCall("/m");
      const { seal, payload } = server.acceptCall("/m", call.seal(bytes));
      expect(Buffer.from(payload)).toEqual(bytes);
      const [first, second] = [seal.seal(bytes, undefined, purpose), seal.seal(bytes, undefined, purpose)];
      expect(() => call.open(second, purpose)).toThrow(/repeated, lost or reordered/);
      const again = ends();
      const other = again.client.openCall("/m");
      again.server.acceptCall("/m", other.seal(bytes));
      expect(Buffer.from(other.open(first, purpose))).toEqual(bytes);
      expect(() => other.open(first, purpose)).toThrow(/repeated, lost or reordered/);
    }
  });

  test("a message sent back to its sender, or under the other purpose, is refused", () => {
    const { client } = ends();
    const call = client.openCall("/m");
    expect(() => client.openCall("/m").open(call.seal(bytes))).toThrow(/code is wrong/);
    const { client: c, server: s } = ends();
    const one = c.openCall("/m");
    const { seal } = s.acceptCall("/m", one.seal(bytes));
    expect(() => one.open(seal.seal(bytes), "bulk")).toThrow(/code is wrong/);
  });

  test("a call number works once, whatever order calls arrive in and however many never arrive", () => {
    const { client, server } = ends();
    const firsts = Array.from({ length: 10_000 }, () => client.openCall("/m").seal(bytes));
    server.acceptCall("/m", firsts[1]!);
    server.acceptCall("/m", firsts[0]!);
    expect(() => server.acceptCall("/m", firsts[1]!)).toThrow(/made before/);
    server.acceptCall("/m", firsts[9_999]!);
    expect(() => server.acceptCall("/m", firsts[2]!)).toThrow(/made before/);
    server.acceptCall("/m", firsts[9_000]!);
    expect(() => server.acceptCall("/m", firsts[9_000]!)).toThrow(/made before/);
  });
});
