// Master `millrace://host:port`: a connection to a master that runs already. This thread only relays; it says that the driver
// is alive also while the user's thread is busy.

import type { MasterUrl } from "../../core/master-url.js";
import { version } from "../../core/version.js";
import { clusterSecret } from "../../rpc/access/cluster-secret.js";
import { tlsIdentity } from "../../rpc/access/tls.js";
import { dial } from "../../rpc/grpc/channel.js";
import { WatchedConnection } from "../../rpc/watched-connection.js";
import type { Backend, BackendRequest } from "./backend.js";

export async function openRemote(request: BackendRequest, master: MasterUrl & { kind: "remote" }): Promise<Backend> {
  const { values, name } = request;
  const secret = clusterSecret(values.secretFile ?? undefined);
  const host = master.host.includes(":") ? `[${master.host}]` : master.host;
  const channel = await dial({
    role: "driver",
    id: `driver-${name}`,
    secret,
    tls: tlsIdentity(values.tls),
    version,
    address: `${host}:${master.port}`,
  });
  const connection = new WatchedConnection(channel.open("drivers"), {
    timeoutMs: values["driver.heartbeatTimeout"],
    who: `the master at ${channel.address}`,
    option: "driver.heartbeatTimeout",
  });
  request.post({ kind: "ready", directories: [], pids: [] });
  return {
    connection,
    async close() {
      connection.close();
      channel.close();
    },
  };
}
