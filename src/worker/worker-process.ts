// A worker as a process of its own: directory, block server, connection to the master, and the ways it ends.
//
//   dialling -> connected -> disconnected -> dialling ... (at most masterTimeoutMs without a master)
//       connected -> going: takes no more tasks, others take what it holds; when nobody needs it any more, or time is over:
//       any -> stopping: leaves the master, lets attempts be cancelled, removes its directory, exits 0

import { setTimeout as sleep } from "node:timers/promises";
import { MillraceError } from "../core/errors.js";
import { reportFatal } from "../core/fatal.js";
import { workerId } from "../core/ids.js";
import { createLogger } from "../core/log.js";
import { machineId } from "../core/machine-id.js";
import type { OptionValues } from "../core/options.js";
import { version } from "../core/version.js";
import type { Secret } from "../rpc/access/secret.js";
import type { TlsIdentity } from "../rpc/access/tls.js";
import { streamBlocks } from "../rpc/block-stream.js";
import { BlockClient } from "../rpc/grpc/block-client.js";
import { dial, type RpcChannel } from "../rpc/grpc/channel.js";
import { serve } from "../rpc/grpc/server.js";
import { findCommitted } from "./committed-blocks.js";
import { environmentOfSlots } from "./embedded.js";
import { isWorthRetrying, pauseAfter } from "./reconnect.js";
import { WorkerShell } from "./shell.js";
import { PiscinaSlot } from "./slots/slot.js";
import { sweepDeadOwners, WorkerDirectory } from "./worker-directory.js";

export interface WorkerProcessOptions {
  /** host:port of the master. */
  readonly master: string;
  readonly secret: Secret;
  /** null: connections are not encrypted. */
  readonly tls: TlsIdentity | null;
  readonly id: string;
  readonly role: "core" | "task";
  readonly node: string;
  readonly slots: number;
  readonly memoryBytes: number;
  readonly options: OptionValues;
  readonly moduleRoots: readonly string[];
  readonly slotEntry: string;
  readonly host: string;
  readonly port: number;
  readonly advertise?: string;
  readonly insecure: boolean;
  /** How long to look for a master that does not answer. 0: not at all, the end of the connection is the end. */
  readonly masterTimeoutMs: number;
  readonly removeDirectory: boolean;
}

export interface WorkerProcess {
  /** Leaves at once, in order, then exits with code 0. */
  stop(reason: string): Promise<void>;
  /** Leaves once its tasks are done and others have what it holds (at once without a master, or when asked again). */
  decommission(reason: string): void;
}

/** How often a worker says in its directory that it is alive. */
const TOUCH_MS = 60_000;
/** Leaving takes no longer than this. */
const STOP_TIMEOUT_MS = 4_000;

export async function startWorkerProcess(given: WorkerProcessOptions): Promise<WorkerProcess> {
  const logger = createLogger({
    level: given.options["log.level"],
    write: (line) => process.stderr.write(line),
    fields: { worker: given.id },
  });
  const log = (message: string) => logger.info(message);
  const id = workerId(given.id);
  const directory = WorkerDirectory.of(given.options.localDir, id);
  for (const path of sweepDeadOwners(given.options.localDir, directory)) log(`removed ${path} of a dead worker`);
  // One with a name of its own is started again by whoever gave it the name.
  directory.claim(!given.removeDirectory);
  const touching = setInterval(() => directory.touch(), TOUCH_MS).unref();
  const committed = findCommitted(directory.path);
  if (committed.length > 0) log(`found ${committed.length} map outputs of an earlier process of this worker`);
  const identity = { role: "worker" as const, id: given.id, secret: given.secret, tls: given.tls, version };
  const blocks = new BlockClient(identity, given.options["fetch.maxBytesInFlight"], given.slots);
  let channel: RpcChannel | null = null;
  let drained = () => {};
  const left = new Promise<void>((resolve) => (drained = resolve));
  let { removeDirectory } = given;
  const server = await serve({
    host: given.host,
    port: given.port,
    ...(given.advertise === undefined ? {} : { advertise: given.advertise }),
    insecure: given.insecure,
    secret: given.secret,
    tls: given.tls,
    version,
    services: { blocks: (request) => shell.blocks.serve(request) },
  });
  const shell = new WorkerShell({
    registration: {
      worker: id,
      role: given.role,
      node: given.node,
      slots: given.slots,
      memoryBytes: given.memoryBytes,
      address: { worker: id, machine: machineId(), blocks: server.address, directory: directory.path },
    },
    directory,
    committed,
    options: given.options,
    oneMachine: given.masterTimeoutMs === 0,
    watchedMemory: given.options["memory.watch"] ? { limitBytes: given.memoryBytes, shared: false } : null,
    moduleRoots: given.moduleRoots,
    makeSlot: (index, settings, heap, events) =>
      new PiscinaSlot(index, { entry: given.slotEntry, settings, env: environmentOfSlots(), heap }, events),
    fetchBlob: (hash) => {
      if (channel === null) throw new Error("no master is connected");
      return channel.getBlob(hash);
    },
    fetchBlock: (address, request, signal, servers) => streamBlocks(blocks, address, request, signal, servers),
    onDrained: () => drained(),
    onDecommissioned: (reason) => {
      // Whoever goes like this has left nothing to come back to.
      removeDirectory = true;
      void stop(reason);
    },
    onRefused: (error) => end(error),
    log,
  });

  let stopping = false;
  const cleanUp = async (): Promise<void> => {
    clearInterval(touching);
    await shell.close();
    blocks.close();
    channel?.close();
    await server.close();
    if (removeDirectory) directory.remove();
  };
  const end = (error: MillraceError): void => {
    stopping = true;
    void cleanUp().finally(() => reportFatal(error));
  };
  const stop = async (reason: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log(`leaving: ${reason}`);
    shell.leave(reason);
    await Promise.race([left, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    await cleanUp();
    process.exit(0);
  };
  const decommission = (reason: string): void => {
    if (channel === null || shell.isLeaving) void stop(reason);
    else shell.decommission(reason, given.options["decommission.timeout"]);
  };

  let wasConnected = false;
  const connect = async (): Promise<void> => {
    channel = await dial({ ...identity, address: given.master });
    const control = channel.open("workers");
    shell.attach(control, (error) => {
      channel?.close();
      channel = null;
      if (stopping) return;
      log(`the connection to the master ended${error === null ? "" : `: ${error.message}`}`);
      if (given.masterTimeoutMs === 0) void stop("the master is gone");
      else void reconnect();
    });
    wasConnected = true;
    log(`connected to ${given.master}`);
  };
  const reconnect = async (): Promise<void> => {
    const deadline = Date.now() + given.masterTimeoutMs;
    for (let failures = 1; !stopping; failures++) {
      const pause = pauseAfter(failures);
      try {
        return await connect();
      } catch (error) {
        if (!isWorthRetrying(error, wasConnected)) return end(error as MillraceError);
        if (Date.now() + pause > deadline)
          return end(gaveUp(given.master, given.masterTimeoutMs, error as MillraceError));
      }
      await sleep(pause);
    }
  };
  await Promise.all([shell.start(), given.masterTimeoutMs === 0 ? connect() : reconnect()]);
  return { stop, decommission };
}

function gaveUp(master: string, timeoutMs: number, cause: MillraceError): MillraceError {
  const message = `no master answered at ${master} for ${timeoutMs / 1000} s (--master-timeout), so this worker ends`;
  return new MillraceError("MASTER_UNREACHABLE", message, { fields: { master, timeoutMs }, cause });
}
