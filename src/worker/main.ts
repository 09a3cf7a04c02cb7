// Entry of a worker process that a launcher started: configuration on stdin as one line of JSON, the end of stdin is the end
// of the worker. (`millrace worker` starts one by flags: cli/commands/worker.ts.)

import { createInterface } from "node:readline";
import { reportFatal } from "../core/fatal.js";
import { workerId } from "../core/ids.js";
import { fromPortableOptions } from "../core/options.js";
import type { WorkerLaunch } from "../protocol/launch.js";
import { Secret } from "../rpc/access/secret.js";
import { WorkerDirectory } from "./worker-directory.js";
import { startWorkerProcess, type WorkerProcess } from "./worker-process.js";

async function start(line: string): Promise<void> {
  const config = JSON.parse(line) as WorkerLaunch;
  let worker: WorkerProcess | null = null;
  const leave = (reason: string): void => {
    if (worker !== null) return void worker.stop(reason);
    // Still starting: nothing is held here yet, and nobody waits for it.
    WorkerDirectory.of(config.localDir, workerId(config.workerId)).remove();
    process.exit(0);
  };
  // The launcher is gone, or wants us gone.
  process.stdin.on("end", () => leave("its launcher closed the pipe"));
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => leave(signal));
  // Its machine is going: a spot instance has about two minutes. The second one means now.
  for (const signal of ["SIGTERM", "SIGPWR"] as const)
    process.on(signal, () => (worker === null ? leave(signal) : worker.decommission(signal)));
  worker = await startWorkerProcess({
    tls: null,
    master: config.master,
    secret: new Secret(config.secret),
    id: config.workerId,
    role: config.role,
    node: config.node,
    slots: config.slots,
    memoryBytes: config.memoryBytes,
    options: { ...fromPortableOptions(config.options), localDir: config.localDir },
    moduleRoots: [config.moduleRoot],
    slotEntry: new URL("./slot.js", import.meta.url).href,
    host: "127.0.0.1",
    port: 0,
    insecure: false,
    // A launched worker is of no use without the master that launched it.
    masterTimeoutMs: 0,
    removeDirectory: true,
  });
}

const lines = createInterface({ input: process.stdin });
lines.once("line", (line) => start(line).catch(reportFatal));
