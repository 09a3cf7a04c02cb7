// Masters `local` and `local[N]`: the master's and one worker's shells in this thread.

import { readMachineLimits } from "../../core/machine-limits.js";
import type { MasterUrl } from "../../core/master-url.js";
import { masterOptionsOf } from "../../master/options.js";
import { MasterShell } from "../../master/shell.js";
import type { Connection } from "../../rpc/connection.js";
import { createEmbeddedWorker } from "../../worker/embedded.js";
import type { Backend, BackendRequest } from "./backend.js";

/** The driver is in this process: it cannot be silent and alive. */
const DRIVER_TIMEOUT_MS = Number.POSITIVE_INFINITY;

export async function openEmbedded(
  request: BackendRequest,
  master: MasterUrl & { kind: "local" | "slots" },
  pair: () => [Connection, Connection],
): Promise<Backend> {
  const { values, data, name } = request;
  const slots = master.kind === "local" ? 1 : master.slots === "all" ? readMachineLimits().slots : master.slots;
  const worker = createEmbeddedWorker({
    id: `driver-${name}`,
    slots,
    memoryBytes: values.memory,
    options: values,
    slotEntry: data.entries.slot,
    moduleRoots: [data.moduleRoot],
    callingThread: master.kind === "local" ? request.callUserThread : null,
    readBlob: (hash) => shell.readBlob(hash),
    log: request.log,
  });
  const shell: MasterShell = new MasterShell({
    machine: masterOptionsOf(values),
    url: data.master,
    eventLogDir: values["eventLog.enabled"] ? values["eventLog.dir"] : null,
    openBlock: (_registration, block) => toAsync(worker.shell.blocks.serve(block)),
    driverTimeoutMs: DRIVER_TIMEOUT_MS,
    log: request.log,
  });
  request.post({ kind: "ready", directories: [worker.directory.path], pids: [] });
  const [workerEnd, masterEnd] = pair();
  shell.acceptWorker(masterEnd, null);
  worker.shell.attach(workerEnd, () => undefined);
  // Threads start while the driver goes on; a first task waits for its own only.
  if (master.kind === "slots") void worker.shell.start();
  const [driverEnd, sessionEnd] = pair();
  shell.acceptDriver(sessionEnd);
  return {
    connection: driverEnd,
    endLogs: () => shell.endLogs(),
    async close() {
      await shell.close();
      await worker.shell.close();
      worker.directory.remove();
      driverEnd.close();
    },
  };
}

async function* toAsync(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  yield* chunks;
}
