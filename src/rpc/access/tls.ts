// Mutual TLS for every connection of a cluster, on top of the secret: whoever connects and whoever is connected to shows a
// certificate of the cluster's authority. A directory holds what a process needs, under the names of a Kubernetes TLS secret:
//
//   ca.crt   certificates of the authority       tls.crt  this process's own, with the names others dial
//   tls.key  its key, readable by its owner only
//
// `millrace certs` makes such directories. The greeting (handshake.ts) follows inside the encrypted stream.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { isIP, type Socket } from "node:net";
import { join } from "node:path";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import { MillraceError } from "../../core/errors.js";

export const TLS_FILES = { ca: "ca.crt", cert: "tls.crt", key: "tls.key" } as const;

export interface TlsIdentity {
  readonly directory: string;
  /** PEM. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * The identity in `directory`, else in the one that MILLRACE_TLS names; null when neither is given: connections are not encrypted.
 * @throws PATH_NOT_FOUND, PERMISSION_DENIED (the key can be read by others, or a file not by us), INVALID_OPTION (not PEM, another
 * key's certificate, not valid today)
 */
export function tlsIdentity(directory: string | null | undefined): TlsIdentity | null {
  const named = directory ?? process.env.MILLRACE_TLS?.trim() ?? "";
  if (named === "") return null;
  const [ca, cert, key] = [TLS_FILES.ca, TLS_FILES.cert, TLS_FILES.key].map((name) => read(join(named, name))) as [
    string,
    string,
    string,
  ];
  refuseReadableByOthers(join(named, TLS_FILES.key));
  checkPair(named, cert, key);
  checkAuthority(named, ca);
  return { directory: named, ca, cert, key };
}

/** A listener that hands on sockets only of peers with a certificate of the authority, decrypted. */
export function secureListener(
  tls: TlsIdentity,
  handshakeMs: number,
  onSocket: (socket: TLSSocket) => void,
  onRefused: (error: Error) => void,
): Server {
  const { ca, cert, key } = tls;
  const server = createServer(
    {
      ca,
      cert,
      key,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
      // Without it HTTP/2 refuses a socket that is encrypted.
      ALPNProtocols: ["h2"],
      handshakeTimeout: handshakeMs,
    },
    onSocket,
  );
  server.on("tlsClientError", (error, socket) => {
    socket.destroy();
    onRefused(failed(`a peer at ${socket.remoteAddress ?? "an unknown address"}`, error));
  });
  return server;
}

/**
 * Encrypts a socket that was dialled to `address`; the other side has to have a certificate for its host.
 * @throws TLS_FAILED
 */
export function secureDialled(
  socket: Socket,
  address: string,
  tls: TlsIdentity,
  timeoutMs: number,
): Promise<TLSSocket> {
  const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  const { ca, cert, key } = tls;
  const secured = connect({
    socket,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ca,
    cert,
    key,
    minVersion: "TLSv1.3",
    // Without it HTTP/2 refuses a socket that is encrypted.
    ALPNProtocols: ["h2"],
  });
  return new Promise((resolve, reject) => {
    const end = (error: Error): void => {
      clearTimeout(timer);
      secured.destroy();
      reject(failed(address, error));
    };
    const timer = setTimeout(() => end(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const closed = () => end(new Error("the connection was closed"));
    secured.once("error", end);
    secured.once("close", closed);
    secured.once("secureConnect", () => {
      clearTimeout(timer);
      secured.off("error", end);
      secured.off("close", closed);
      resolve(secured);
    });
  });
}

function failed(peer: string, error: Error): MillraceError {
  return new MillraceError(
    "TLS_FAILED",
    `no encrypted connection with ${peer}: ${error.message.trim()}; both sides need --tls with certificates of one authority, and the one that is dialled a certificate for the name or address that was used`,
    { fields: { peer, reason: (error as NodeJS.ErrnoException).code ?? error.message }, cause: error },
  );
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code === "ENOENT" ? "PATH_NOT_FOUND" : "PERMISSION_DENIED";
    throw new MillraceError(
      code,
      `the TLS file ${path} cannot be read; --tls names a directory with ${Object.values(TLS_FILES).join(", ")}, and \`millrace certs\` makes one`,
      { fields: { path }, cause: error },
    );
  }
}

function refuseReadableByOthers(path: string): void {
  const mode = statSync(path).mode & 0o777;
  if (process.platform === "win32" || (mode & 0o077) === 0) return;
  throw new MillraceError(
    "PERMISSION_DENIED",
    `the key ${path} has mode ${mode.toString(8)}, so that others may read it; run chmod 600 on it`,
    { fields: { path, mode: mode.toString(8) } },
  );
}

function checkPair(directory: string, cert: string, key: string): void {
  const path = join(directory, TLS_FILES.cert);
  const certificate = parse(path, () => new X509Certificate(cert));
  const own = parse(join(directory, TLS_FILES.key), () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(own)) throw unusable(path, `it does not belong to the key in ${TLS_FILES.key}`);
  checkValid(path, certificate);
}

function checkAuthority(directory: string, ca: string): void {
  const path = join(directory, TLS_FILES.ca);
  checkValid(
    path,
    parse(path, () => new X509Certificate(ca)),
  );
}

function checkValid(path: string, certificate: X509Certificate): void {
  const now = Date.now();
  if (now < Date.parse(certificate.validFrom)) throw unusable(path, `it is valid from ${certificate.validFrom} only`);
  if (now > Date.parse(certificate.validTo)) throw unusable(path, `it was valid until ${certificate.validTo}`);
}

function parse<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw unusable(path, `it is not PEM that can be read (${(error as Error).message})`);
  }
}

function unusable(path: string, why: string): MillraceError {
  return new MillraceError(
    "INVALID_OPTION",
    `the TLS file ${path} cannot be used: ${why}; \`millrace certs\` makes new ones`,
    { fields: { option: "tls", path } },
  );
}
