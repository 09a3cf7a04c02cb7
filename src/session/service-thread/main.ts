// Entry of a session's service thread. In local modes it runs the master's and the worker's shells, for a local cluster the
// master's with worker processes around it, else the connection to a master that runs already. It lives beside the user's
// thread, so that a driver blocked in its own code is not taken for dead.

import { randomBytes } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { toWireError } from "../../core/errors.js";
import { createLogger } from "../../core/log.js";
import { parseMasterUrl } from "../../core/master-url.js";
import { MessageBatcher, splitBatch } from "../../core/message-batch.js";
import { fromPortableOptions } from "../../core/options.js";
import { connectionPair } from "../../rpc/in-process.js";
import type { Backend, BackendRequest } from "./backend.js";
import type { ServiceData, ToService } from "./messages.js";
import { openEmbedded } from "./open-embedded.js";

const port = parentPort as NonNullable<typeof parentPort>;
const calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
let nextCall = 1;

const post: BackendRequest["post"] = (message, transfer) => port.postMessage(message, transfer ?? []);

async function start(data: ServiceData): Promise<void> {
  const values = fromPortableOptions(data.options);
  const logger = createLogger({ level: values["log.level"], write: (line) => process.stderr.write(line) });
  const early: Uint8Array[] = [];
  let backend: Backend | null = null;
  let stopping = false;
  /** The driver's first word is `open`: no heartbeat comes before it, however slow the program starts. */
  let spoken = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    clearInterval(heartbeat);
    // The driver's last word arrives in a later turn of the loop: it closes its session, which else would end by its master's.
    await new Promise((resolve) => setImmediate(resolve));
    await backend?.close();
    post({ kind: "ended" });
    port.close();
  };
  port.on("message", (message: ToService) => {
    if (message.kind === "driver") {
      for (const bytes of splitBatch(message.batch)) {
        if (backend === null) early.push(bytes);
        else backend.connection.send(bytes);
      }
      spoken = true;
    } else if (message.kind === "slotOutcome") {
      const call = calls.get(message.id);
      calls.delete(message.id);
      if (message.error === null) call?.resolve(message.outcome);
      else call?.reject(new Error(message.error));
    } else if (message.kind === "leaving") {
      void leave(message.done, backend);
    } else if (message.kind === "shutdown") {
      void stop();
    }
  });
  const request: BackendRequest = {
    data,
    values,
    log: (message) => logger.info(message),
    post,
    callUserThread: (call, slotPort) =>
      new Promise((resolve, reject) => {
        const id = nextCall++;
        calls.set(id, { resolve, reject });
        post({ kind: "slotCall", id, call, port: slotPort }, slotPort === null ? [] : [slotPort]);
      }),
    name: randomBytes(4).toString("hex"),
  };
  const heartbeat = setInterval(() => spoken && void sendHeartbeat(backend), HEARTBEAT_MS);
  try {
    backend = await open(request);
  } catch (error) {
    clearInterval(heartbeat);
    post({ kind: "failed", error: toWireError(error) });
    return;
  }
  const { connection } = backend;
  const outgoing = new MessageBatcher((batch) => post({ kind: "driver", batch }, [batch.buffer]));
  connection.onMessage((bytes) => outgoing.add(bytes));
  connection.onClose((error) => {
    outgoing.flush();
    if (stopping) return;
    post({ kind: "failed", error: toWireError(error ?? new Error("the master closed the connection"), "MASTER_LOST") });
  });
  for (const bytes of early) connection.send(bytes);
}

async function leave(done: Int32Array, backend: Backend | null): Promise<void> {
  await backend?.endLogs?.();
  Atomics.store(done, 0, 1);
  Atomics.notify(done, 0);
}

const HEARTBEAT_MS = 2_000;

async function sendHeartbeat(backend: Backend | null): Promise<void> {
  if (backend === null) return;
  const { encodeDriverMessage } = await import("../../rpc/codecs/driver.js");
  backend.connection.send(encodeDriverMessage({ kind: "heartbeat" }));
}

async function open(request: BackendRequest): Promise<Backend> {
  const master = parseMasterUrl(request.data.master);
  switch (master.kind) {
    case "local":
    case "slots":
      return openEmbedded(request, master, connectionPair);
    case "cluster":
      return (await import("./open-cluster.js")).openCluster(request, master, connectionPair);
    case "remote":
      return (await import("./open-remote.js")).openRemote(request, master);
  }
}

if (workerData === null) port.once("message", startLate);
else void start(workerData as ServiceData);

/** A thread that was started ahead: its environment is what the program has by now. */
function startLate(message: ToService): void {
  if (message.kind !== "start") return;
  for (const name of Object.keys(process.env)) if (message.env[name] === undefined) delete process.env[name];
  Object.assign(process.env, message.env);
  void start(message.data);
}
