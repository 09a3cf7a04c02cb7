// The story of one run, line by line, with nothing in it that another run of the same seed would not have.

import { formatTaskKey } from "../../src/core/ids.js";
import type { DriverToMaster, MasterToDriver } from "../../src/protocol/driver.js";
import { type TaskStatus, tasksOf } from "../../src/protocol/tasks.js";
import type { MasterToWorker, WorkerToMaster } from "../../src/protocol/worker.js";
import type { VirtualClock } from "./world/clock.js";

type Traced = MasterToWorker | WorkerToMaster | MasterToDriver | DriverToMaster;

/** Earlier lines go first. */
const MAX_LINES = 6_000;

export class Trace {
  readonly lines: string[] = [];

  constructor(
    private readonly clock: VirtualClock,
    readonly on: boolean,
  ) {}

  add(line: () => string): void {
    if (!this.on) return;
    this.lines.push(`${this.clock.now.toFixed(1)} ${line()}`);
    if (this.lines.length > MAX_LINES) this.lines.shift();
  }

  message(from: string, to: string, message: Traced): void {
    if (message.kind !== "progress") this.add(() => `${from} -> ${to} ${describe(message)}`);
  }
}

function describe(message: Traced): string {
  switch (message.kind) {
    case "statuses":
      return `statuses ${message.statuses.map(describeStatus).join(", ")}`;
    case "launch":
      return `launch ${message.launches
        .flatMap(tasksOf)
        .map(({ key }) => formatTaskKey(key))
        .join(", ")}`;
    case "mapOutputs": {
      const { shuffle, version, outputs } = message.locations;
      const places = outputs.map(({ worker, stage, attempt }) => `${worker}:${stage}/${attempt}`);
      return `mapOutputs of ${shuffle}, version ${version}: ${places.join(" ")}`;
    }
    case "heartbeat":
      if (!("running" in message)) return "heartbeat";
      return `heartbeat ${message.running.map(formatTaskKey).join(", ")}`;
    case "submit": {
      const { job, root, action, nodes } = message;
      return `submit ${job}: ${action.kind} of ${root}, with nodes ${nodes.map(({ id, kind }) => `${id}:${kind}`).join(" ")}`;
    }
    case "cancel":
      return "keys" in message
        ? `cancel ${message.keys.map(formatTaskKey).join(", ")}: ${message.reason}`
        : `cancel ${message.job}`;
    case "result":
      return `result ${message.job}/${message.partition}, ${message.bytes.byteLength} bytes${message.last ? ", last" : ""}`;
    default:
      return JSON.stringify(message, (_, value) => (value instanceof Uint8Array ? `${value.byteLength} bytes` : value));
  }
}

function describeStatus(status: TaskStatus): string {
  const task = formatTaskKey(status.key);
  if (status.kind === "running") return `${task} running`;
  const { outcome } = status;
  if (outcome.kind === "failed") return `${task} failed: ${outcome.error.code} ${outcome.error.message}`;
  if (outcome.kind === "fetchFailed") return `${task} fetchFailed: ${outcome.error.message}`;
  return `${task} ${outcome.kind}`;
}
