// Where a server may listen. Without TLS traffic is authenticated but not encrypted, so beyond loopback somebody has to
// say that the network is trusted.

import { isIP } from "node:net";
import { MillraceError } from "../../core/errors.js";

/** @throws INSECURE_LISTEN when `host` is not loopback and `insecure` was not asked for */
export function checkListen(host: string, insecure: boolean): void {
  if (insecure || isLoopback(host)) return;
  throw new MillraceError(
    "INSECURE_LISTEN",
    `listening on ${host} would send data unencrypted over a network; give --tls with certificates (millrace certs makes them), --insecure if that network is trusted, or --host 127.0.0.1`,
    { fields: { host } },
  );
}

/** A name other than localhost counts as not loopback: what it resolves to may change. */
export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || host === "0:0:0:0:0:0:0:1";
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatAddress(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
