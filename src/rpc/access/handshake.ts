// The mutual challenge that opens every connection, on the bare socket: HTTP/2, gRPC and protobuf see only what comes after
// it. The client checks the server first, so a false server learns nothing that it could use.
//
//   client                                             server
//   magic, version, role, id, address, nonce    -->
//                                               <--    magic, outcome, version, nonce, HMAC(role key, "server" + all so far)
//   HMAC(role key, "client" + all so far)       -->
//                                               <--    outcome
//
// Fields are a length byte and UTF-8. `address` is what the client dialled: it is in both proofs, so nobody between can
// change it unseen. Different versions stop before any proof: the formats that follow need not agree.

import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import { MillraceError } from "../../core/errors.js";
import { ByteReader } from "./byte-reader.js";
import { formatAddress } from "./listen-policy.js";
import { type Role, roleKey, roles } from "./roles.js";
import { SecureSession } from "./seal.js";
import type { Secret } from "./secret.js";
import type { TlsIdentity } from "./tls.js";

/** Same in all versions to come. */
const MAGIC = Buffer.from("\x00MILLRACE1\n", "latin1");
const NONCE_BYTES = 32;
const PROOF_BYTES = 32;
const OK = 0;
const VERSION_DIFFERS = 1;
const REFUSED = 2;

/** What a peer that has not proved itself may send, and for how long. */
export const UNPROVEN_BYTES = 4096;
export const UNPROVEN_MS = 5_000;

export interface ClientIdentity {
  readonly role: Role;
  /** At most 255 bytes of UTF-8. */
  readonly id: string;
  readonly secret: Secret;
  readonly version: string;
  /** Default null: the connection is not encrypted. */
  readonly tls?: TlsIdentity | null;
}

export interface ServerIdentity {
  readonly secret: Secret;
  readonly version: string;
  /** Roles that have any business here. */
  readonly roles: readonly Role[];
}

/**
 * The client's side.
 * @throws NOT_A_MASTER, VERSION_MISMATCH, AUTHENTICATION_FAILED; the socket is then of no use
 */
export async function greet(
  socket: Socket,
  address: string,
  self: ClientIdentity,
  timeoutMs = UNPROVEN_MS,
): Promise<SecureSession> {
  const key = roleKey(self.secret, self.role);
  const nonce = randomBytes(NONCE_BYTES);
  const fields = [self.version, self.role, self.id, address].map(field);
  const hello = Buffer.concat([MAGIC, ...fields, nonce]);
  const reader = new ByteReader(socket, UNPROVEN_BYTES, timeoutMs);
  try {
    socket.write(hello);
    const magic = await reader.read(MAGIC.byteLength).catch((cause: unknown) => {
      throw notMillrace(address, cause);
    });
    if (!magic.equals(MAGIC)) throw notMillrace(address);
    const outcome = (await reader.read(1))[0];
    const version = await reader.text();
    if (outcome === VERSION_DIFFERS) throw versionMismatch(address, self.version, version);
    if (outcome !== OK)
      throw new MillraceError("PERMISSION_REFUSED", `${address} does not serve the role ${self.role}`);
    const serverNonce = await reader.read(NONCE_BYTES);
    const transcript = Buffer.concat([hello, field(version), serverNonce]);
    const expected = proof(key, "server", transcript);
    if (!timingSafeEqual(await reader.read(PROOF_BYTES), expected)) throw wrongSecret(address);
    await written(socket, proof(key, "client", transcript));
    if ((await reader.read(1))[0] !== OK) throw wrongSecret(address);
    return new SecureSession({ role: "master", id: version, address }, keyMaterial(key, transcript), "client");
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError("AUTHENTICATION_FAILED", `${address} ended the greeting: ${(error as Error).message}`, {
      fields: { address },
      cause: error,
    });
  } finally {
    reader.release();
  }
}

/**
 * The server's side.
 * @throws any error: the peer is not one of ours, or not of our version, or has another secret; destroy the socket
 */
export async function admit(socket: Socket, self: ServerIdentity, timeoutMs = UNPROVEN_MS): Promise<SecureSession> {
  const address = formatAddress(socket.remoteAddress ?? "unknown", socket.remotePort ?? 0);
  const reader = new ByteReader(socket, UNPROVEN_BYTES, timeoutMs);
  try {
    if (!(await reader.read(MAGIC.byteLength)).equals(MAGIC)) throw unproven(address, "it does not speak millrace");
    const [version, role, id, dialled] = [
      await reader.text(),
      await reader.text(),
      await reader.text(),
      await reader.text(),
    ];
    const nonce = await reader.read(NONCE_BYTES);
    if (version !== self.version) {
      socket.end(Buffer.concat([MAGIC, Buffer.of(VERSION_DIFFERS), field(self.version)]));
      throw versionMismatch(address, self.version, version);
    }
    if (!isRole(role) || !self.roles.includes(role)) {
      socket.end(Buffer.concat([MAGIC, Buffer.of(REFUSED), field(self.version)]));
      throw new MillraceError("PERMISSION_REFUSED", `${address} came as ${JSON.stringify(role)}, not served here`);
    }
    const key = roleKey(self.secret, role);
    const serverNonce = randomBytes(NONCE_BYTES);
    const hello = Buffer.concat([MAGIC, ...[version, role, id, dialled].map(field), nonce]);
    const transcript = Buffer.concat([hello, field(self.version), serverNonce]);
    socket.write(
      Buffer.concat([MAGIC, Buffer.of(OK), field(self.version), serverNonce, proof(key, "server", transcript)]),
    );
    if (!timingSafeEqual(await reader.read(PROOF_BYTES), proof(key, "client", transcript))) {
      socket.end(Buffer.of(REFUSED));
      throw unproven(address, "its proof is wrong");
    }
    const session = new SecureSession({ role, id, address }, keyMaterial(key, transcript), "server");
    await written(socket, Buffer.of(OK));
    return session;
  } finally {
    reader.release();
  }
}

/** Resolves when the socket has let go of the bytes: HTTP/2 takes over its handle next, and must not find a write under way. */
function written(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error instanceof Error ? reject(error) : resolve()));
  });
}

function field(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8").subarray(0, 255);
  return Buffer.concat([Buffer.of(bytes.byteLength), bytes]);
}

function proof(key: Buffer, side: "server" | "client", transcript: Buffer): Buffer {
  return createHmac("sha256", key).update(side).update(transcript).digest();
}

function keyMaterial(key: Buffer, transcript: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", key, transcript, "millrace connection", 32));
}

function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text);
}

function notMillrace(address: string, cause?: unknown): MillraceError {
  return new MillraceError("NOT_A_MASTER", `what answers at ${address} does not speak millrace`, {
    fields: { address },
    ...(cause === undefined ? {} : { cause }),
  });
}

function versionMismatch(address: string, ours: string, theirs: string): MillraceError {
  return new MillraceError(
    "VERSION_MISMATCH",
    `this is millrace ${ours}, at ${address} runs ${JSON.stringify(theirs)}`,
    {
      fields: { address, ours, theirs },
    },
  );
}

function wrongSecret(address: string): MillraceError {
  return new MillraceError("AUTHENTICATION_FAILED", `${address} does not hold the same secret as this process`, {
    fields: { address },
  });
}

function unproven(address: string, why: string): MillraceError {
  return new MillraceError("AUTHENTICATION_FAILED", `the peer ${address} was turned away: ${why}`, {
    fields: { address },
  });
}
