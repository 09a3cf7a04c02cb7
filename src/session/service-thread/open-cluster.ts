// Master `local-cluster[...]`: the master's shell and its gRPC server in this thread, workers as processes of this machine
// that end with it. The secret is made for this cluster alone and goes to the children by their stdin.

import { once } from "node:events";
import { MillraceError } from "../../core/errors.js";
import { workerId } from "../../core/ids.js";
import type { MasterUrl } from "../../core/master-url.js";
import { toPortableOptions } from "../../core/options.js";
import { version } from "../../core/version.js";
import { masterOptionsOf } from "../../master/options.js";
import { serveMaster } from "../../master/server.js";
import { MasterShell } from "../../master/shell.js";
import { Secret } from "../../rpc/access/secret.js";
import { BlockChannels } from "../../rpc/block-channels.js";
import type { Connection } from "../../rpc/connection.js";
import { sweepDeadOwners, WorkerDirectory } from "../../worker/worker-directory.js";
import type { Backend, BackendRequest } from "./backend.js";
import { WorkerProcesses } from "./worker-processes.js";

/** How long the workers may take to register. */
const START_TIMEOUT_MS = 30_000;

export async function openCluster(
  request: BackendRequest,
  master: MasterUrl & { kind: "cluster" },
  pair: () => [Connection, Connection],
): Promise<Backend> {
  const { values, data, name, log } = request;
  sweepDeadOwners(values.localDir);
  const secret = Secret.generate();
  const channels = new BlockChannels({ role: "master", id: `master-${name}`, secret, version });
  const shell = new MasterShell({
    machine: masterOptionsOf(values),
    url: data.master,
    eventLogDir: values["eventLog.enabled"] ? values["eventLog.dir"] : null,
    openBlock: (worker, block, signal) => channels.fetch(worker.address.blocks, block, signal),
    driverTimeoutMs: Number.POSITIVE_INFINITY,
    log,
  });
  const server = await serveMaster(shell, { host: "127.0.0.1", port: 0, secret, version });
  const ids = workerIds(name, master.coreWorkers, master.taskWorkers);
  const directories = ids.map(({ id }) => WorkerDirectory.of(values.localDir, workerId(id)).path);
  const processes = new WorkerProcesses(data.entries.worker, (id, code, signal) => {
    log(`worker ${id} ended with ${signal ?? `code ${code}`}`);
    shell.workerExited(
      workerId(id),
      signal === null ? `its process exited with code ${code}` : `its process was ended by ${signal}`,
    );
  });
  const close = async (): Promise<void> => {
    await shell.close();
    await processes.stop();
    channels.close();
    await server.close();
    for (const path of directories) WorkerDirectory.at(path).remove();
  };
  const [driverEnd, sessionEnd] = pair();
  try {
    const options = { ...toPortableOptions(values), localDir: values.localDir };
    ids.forEach(({ id, role, node }) => {
      processes.start({
        master: server.address,
        secret: secret.reveal(),
        workerId: id,
        role,
        node,
        slots: master.slots,
        memoryBytes: master.memoryBytes,
        localDir: values.localDir,
        moduleRoot: data.moduleRoot,
        options,
      });
    });
    request.post({ kind: "ready", directories, pids: processes.pids });
    await allActive(shell, ids.length * master.slots);
  } catch (error) {
    await close();
    throw error;
  }
  shell.acceptDriver(sessionEnd);
  return {
    connection: driverEnd,
    async close() {
      await close();
      driverEnd.close();
    },
  };
}

function workerIds(name: string, core: number, task: number): { id: string; role: "core" | "task"; node: string }[] {
  return Array.from({ length: core + task }, (_, index) => {
    const role = index < core ? ("core" as const) : ("task" as const);
    return { id: `${role}-${role === "core" ? index : index - core}-${name}`, role, node: `node-${index}` };
  });
}

/** Until every slot can be given tasks: a program sees the whole cluster from its first line. */
async function allActive(shell: MasterShell, slots: number): Promise<void> {
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  try {
    while (shell.slots < slots) await once(shell.registrations, "worker", { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new MillraceError("NO_WORKERS", `of ${slots} slots of worker processes only ${shell.slots} were up after ${START_TIMEOUT_MS} ms; their messages are above`, { fields: { wanted: slots, active: shell.slots } });
  }
}
