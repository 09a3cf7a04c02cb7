// The master's gRPC face: hands proven connections and questions to the shell.

import { MillraceError } from "../core/errors.js";
import { type RpcServer, type ServeOptions, serve } from "../rpc/grpc/server.js";
import type { MasterShell } from "./shell.js";

export function serveMaster(shell: MasterShell, options: Omit<ServeOptions, "services">): Promise<RpcServer> {
  return serve({
    ...options,
    services: {
      workers: (connection, peer) => shell.acceptWorker(connection, peer.id),
      drivers: (connection) => shell.acceptDriver(connection),
      blobs: (hash) => shell.readBlob(hash),
      admin: (question) => {
        if ((question as { ask?: unknown } | null)?.ask !== "status")
          throw new MillraceError("PROTOCOL_ERROR", "the master was asked for something that it does not know");
        return shell.snapshot();
      },
    },
  });
}
