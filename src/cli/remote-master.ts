// A master that runs already: the address in a millrace:// URL, and the connection of a command that asks it something.

import { MillraceError } from "../core/errors.js";
import { parseMasterUrl } from "../core/master-url.js";
import { version } from "../core/version.js";
import { clusterSecret } from "../rpc/access/cluster-secret.js";
import { tlsIdentity } from "../rpc/access/tls.js";
import { dial, type RpcChannel } from "../rpc/grpc/channel.js";

/** host:port. Throws INVALID_MASTER_URL for a local master. */
export function remoteAddress(url: string): string {
  const master = parseMasterUrl(url);
  if (master.kind !== "remote") {
    throw new MillraceError(
      "INVALID_MASTER_URL",
      `--master ${url}: expected a master that runs already, millrace://host:port`,
      { fields: { url } },
    );
  }
  return `${master.host.includes(":") ? `[${master.host}]` : master.host}:${master.port}`;
}

/** `id`: who asks, as the master tells others. The caller closes the channel. */
export function dialMaster(
  master: string,
  id: string,
  flags: { readonly secretFile?: string; readonly tls?: string },
): Promise<RpcChannel> {
  const address = remoteAddress(master);
  const secret = clusterSecret(flags.secretFile);
  return dial({ role: "admin", id, secret, tls: tlsIdentity(flags.tls), version, address });
}
