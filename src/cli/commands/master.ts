// `millrace master`: a master that waits for workers and drivers until it is told to end.

import { randomBytes } from "node:crypto";
import { createLogger } from "../../core/log.js";
import { resolveOptions } from "../../core/options.js";
import { version } from "../../core/version.js";
import { masterOptionsOf } from "../../master/options.js";
import { serveMaster } from "../../master/server.js";
import { MasterShell } from "../../master/shell.js";
import { masterSecret } from "../../rpc/access/cluster-secret.js";
import { tlsIdentity } from "../../rpc/access/tls.js";
import { streamBlocks } from "../../rpc/block-stream.js";
import { BlockClient } from "../../rpc/grpc/block-client.js";
import type { MasterFlags } from "../flags.js";
import { parseWhole } from "../numbers.js";

export async function master(flags: MasterFlags): Promise<void> {
  const { values } = resolveOptions({ environment: process.env });
  const secret = masterSecret(flags.secretFile);
  const tls = tlsIdentity(flags.tls ?? values.tls);
  const channels = new BlockClient({
    role: "master",
    id: `master-${randomBytes(4).toString("hex")}`,
    secret,
    tls,
    version,
  });
  const logger = createLogger({
    level: process.env.MILLRACE_LOG_LEVEL === undefined ? "info" : values["log.level"],
    write: (line) => process.stderr.write(line),
  });
  const port = parseWhole(flags.port, "--port", 0, 65_535);
  const shell = new MasterShell({
    machine: masterOptionsOf(values),
    url: `millrace://${flags.advertise ?? flags.host}:${port}`,
    eventLogDir: values["eventLog.enabled"] ? (flags.eventLogDir ?? values["eventLog.dir"]) : null,
    openBlock: (worker, request, signal) => streamBlocks(channels, worker.address.blocks, request, signal),
    driverTimeoutMs: values["driver.heartbeatTimeout"],
    log: (message) => logger.info(message),
  });
  const server = await serveMaster(shell, {
    host: flags.host,
    port,
    ...(flags.advertise === undefined ? {} : { advertise: flags.advertise }),
    insecure: flags.insecure ?? false,
    secret,
    tls,
    version,
    onRefused: (error) => logger.warn("a peer was refused", { error }),
  }).catch(async (error) => {
    await shell.close();
    throw error;
  });
  shell.listensAt(`millrace://${server.address}`);
  process.stdout.write(`millrace://${server.address}\n`);
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await shell.close();
    channels.close();
    await server.close();
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void stop());
}
