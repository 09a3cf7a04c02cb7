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
      admin: (question, peer) => {
        switch ((question as { ask?: unknown } | null)?.ask) {
          case "status":
            return shell.snapshot();
          case "decommission":
            return shell.departures.ask(question);
          case "departure":
            return shell.departures.tell(question);
          case "kill":
            return shell.kills.ask(question, peer.id);
          default:
            throw new MillraceError("PROTOCOL_ERROR", "the master was asked for something that it does not know");
        }
      },
    },
  });
}
