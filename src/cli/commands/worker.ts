// `millrace worker`: a worker that serves a master until it is told to end or its master is gone for good.

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { MillraceError } from "../../core/errors.js";
import { readMachineLimits } from "../../core/machine-limits.js";
import { resolveOptions } from "../../core/options.js";
import { parseDuration } from "../../core/sizes.js";
import { clusterSecret } from "../../rpc/access/cluster-secret.js";
import { tlsIdentity } from "../../rpc/access/tls.js";
import { startWorkerProcess } from "../../worker/worker-process.js";
import type { WorkerFlags } from "../flags.js";
import { parseWhole } from "../numbers.js";
import { remoteAddress } from "../remote-master.js";

const MAX_SLOTS = 1024;
const SAFE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export async function worker(flags: WorkerFlags): Promise<void> {
  const given = {
    ...(flags.memory === undefined ? {} : { memory: flags.memory }),
    ...(flags.localDir === undefined ? {} : { localDir: flags.localDir }),
    ...(process.env.MILLRACE_LOG_LEVEL === undefined ? { "log.level": "info" as const } : {}),
  };
  const { values } = resolveOptions({ given, environment: process.env });
  const master = remoteAddress(flags.master);
  const role = roleOf(flags.role);
  const process_ = await startWorkerProcess({
    master,
    secret: clusterSecret(flags.secretFile),
    tls: tlsIdentity(flags.tls ?? values.tls),
    id: workerName(flags.id),
    role,
    node: flags.node ?? hostname(),
    slots: flags.slots === undefined ? readMachineLimits().slots : parseWhole(flags.slots, "--slots", 1, MAX_SLOTS),
    memoryBytes: values.memory,
    options: values,
    moduleRoots: [process.cwd()],
    slotEntry: new URL("./slot.js", import.meta.url).href,
    host: flags.host,
    port: parseWhole(flags.port, "--port", 0, 65_535),
    ...(flags.advertise === undefined ? {} : { advertise: flags.advertise }),
    insecure: flags.insecure ?? false,
    masterTimeoutMs: parseDuration(flags.masterTimeout, "--master-timeout"),
    // A worker that was given a name comes back to its directory.
    removeDirectory: flags.id === undefined,
  });
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => void process_.stop(signal));
  for (const signal of ["SIGTERM", "SIGPWR"] as const) process.on(signal, () => process_.decommission(signal));
}

function workerName(id: string | undefined): string {
  if (id === undefined) return `${hostname().replace(/[^A-Za-z0-9.-]/g, "-")}-${randomBytes(4).toString("hex")}`;
  if (SAFE_ID.test(id)) return id;
  throw new MillraceError(
    "INVALID_OPTION",
    `--id ${id}: expected letters, digits, ".", "_" and "-", a letter or digit first`,
    { fields: { flag: "--id", value: id } },
  );
}

function roleOf(role: string): "core" | "task" {
  if (role === "core" || role === "task") return role;
  throw new MillraceError("INVALID_OPTION", `--role ${role}: expected core or task`, {
    fields: { flag: "--role", value: role },
  });
}
