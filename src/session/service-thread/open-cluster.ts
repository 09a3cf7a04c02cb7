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
import { streamBlocks } from "../../rpc/block-stream.js";
import type { Connection } from "../../rpc/connection.js";
import { BlockClient } from "../../rpc/grpc/block-client.js";
import { sweepDeadOwners, WorkerDirectory } from "../../worker/worker-directory.js";
import type { Backend, BackendRequest } from "./backend.js";
import { WorkerProcesses } from "./worker-processes.js";

/** How long the workers may take to register. */
const START_TIMEOUT_MS = 30_000;
/** Deaths of worker processes that a session makes good: a program that kills its workers again and again is to fail. */
const MAX_RESTARTS = 20;

export async function openCluster(
  request: BackendRequest,
  master: MasterUrl & { kind: "cluster" },
  pair: () => [Connection, Connection],
): Promise<Backend> {
  const { values, data, name, log } = request;
  sweepDeadOwners(values.localDir);
  const secret = Secret.generate();
  const channels = new BlockClient({ role: "master", id: `master-${name}`, secret, version });
  const shell = new MasterShell({
    machine: masterOptionsOf(values),
    url: data.master,
    eventLogDir: values["eventLog.enabled"] ? values["eventLog.dir"] : null,
    openBlock: (worker, block, signal) => streamBlocks(channels, worker.address.blocks, block, signal),
    driverTimeoutMs: Number.POSITIVE_INFINITY,
    log,
  });
  const server = await serveMaster(shell, { host: "127.0.0.1", port: 0, secret, version });
  const failedStart = new AbortController();
  let isUp = false;
  let restartsLeft = MAX_RESTARTS;
  const ids = workerIds(name, master.coreWorkers, master.taskWorkers);
  const directories = ids.map(({ id }) => WorkerDirectory.of(values.localDir, workerId(id)).path);
  const processes = new WorkerProcesses(data.entries.worker, (id, code, signal) => {
    log(`worker ${id} ended with ${signal ?? `code ${code}`}`);
    const { reason, outOfMemory } = explainExit(code, signal);
    const wasToGo = shell.workerExited(workerId(id), reason, outOfMemory);
    if (isUp) {
      if (wasToGo) log(`worker ${id} was to go and is not started again`);
      else if (--restartsLeft >= 0) start(id);
      else log(`worker ${id} is not started again: workers of this session ended too often`);
      return;
    }
    // Before all are up nobody can do without it.
    failedStart.abort(
      new MillraceError(
        "NO_WORKERS",
        `the worker process ${id} could not start: ${reason}; what it said stands above`,
        {
          fields: { worker: id },
        },
      ),
    );
  });
  const options = { ...toPortableOptions(values), localDir: values.localDir };
  /** The first time, and again when the process has died: what it held is lost, its place is not. */
  const start = (id: string): void => {
    const { role, node } = ids.find((one) => one.id === id) as (typeof ids)[number];
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
  };
  const close = async (): Promise<void> => {
    // Workers leave as soon as the master says so: that is no death to be made good.
    processes.expectExits();
    await shell.close();
    await processes.stop();
    channels.close();
    await server.close();
    for (const path of directories) WorkerDirectory.at(path).remove();
  };
  const [driverEnd, sessionEnd] = pair();
  try {
    // A directory that cannot be used is told by its own error, before any process fails of it.
    for (const path of directories.slice(0, 1)) WorkerDirectory.at(path).claim();
    for (const { id } of ids) start(id);
    request.post({ kind: "ready", directories, pids: processes.pids });
    await allActive(shell, ids.length * master.slots, failedStart.signal);
    isUp = true;
  } catch (error) {
    await close();
    throw error;
  }
  shell.acceptDriver(sessionEnd);
  return {
    connection: driverEnd,
    endLogs: () => shell.endLogs(),
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
async function allActive(shell: MasterShell, slots: number, failed: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([failed, AbortSignal.timeout(START_TIMEOUT_MS)]);
  try {
    while (shell.slots < slots) await once(shell.registrations, "worker", { signal });
  } catch (error) {
    if (failed.aborted) throw failed.reason;
    if (!signal.aborted) throw error;
    throw new MillraceError(
      "NO_WORKERS",
      `of ${slots} slots of worker processes only ${shell.slots} were up after ${START_TIMEOUT_MS} ms; their messages are above`,
      { fields: { wanted: slots, active: shell.slots } },
    );
  }
}

/** V8 aborts a process whose heap is full; the memory watch ends a slot before that, unless it is too late. */
function explainExit(code: number | null, signal: NodeJS.Signals | null): { reason: string; outOfMemory: boolean } {
  if (signal === "SIGABRT" || code === ABORTED) {
    return { reason: "its process was aborted, as V8 does when a heap is full", outOfMemory: true };
  }
  if (signal === "SIGKILL")
    return { reason: "its process was killed (by hand, or by the system for its memory)", outOfMemory: false };
  return {
    reason: signal === null ? `its process exited with code ${code}` : `its process was ended by ${signal}`,
    outOfMemory: false,
  };
}

/** 128 + SIGABRT. */
const ABORTED = 134;
