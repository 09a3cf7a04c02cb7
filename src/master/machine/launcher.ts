// Launches what can be launched: the assigner fills the workers that have room, and what one worker gets leaves in few messages,
// each behind the locations of map outputs that it reads and the worker was not told yet. Which task goes where is the
// assigner's word, what is in a launch the scheduler's.

import type { SessionId, ShuffleId, WorkerId } from "../../core/ids.js";
import type { MapOutputLocations, TaskLaunch } from "../../protocol/tasks.js";
import { VALUE_INLINE_BYTES, valueBytes } from "../events.js";
import type { JobScheduler } from "../job-scheduler/index.js";
import type { TaskAssigner } from "../task-assigner/index.js";
import type { WorkerRecord, WorkerRegistry } from "../worker-registry/index.js";
import type { CommandOutbox } from "./command-outbox.js";
import type { Places } from "./places.js";

/** Bytes of splits that one launch message carries about at most: messages stay below 256 KiB. */
const LAUNCH_BYTES = 192 * 1024;
/** What a launch takes besides the bytes of its splits. */
const LAUNCH_BASE_BYTES = 256;
/** What each further task of it takes at most. */
const FOLLOWING_BYTES = 16;

export interface LauncherParts {
  readonly registry: WorkerRegistry;
  readonly places: Places;
  readonly assigner: TaskAssigner;
  readonly jobs: JobScheduler;
  readonly outbox: CommandOutbox;
  /** Launches of one message at most. */
  readonly maxLaunches: number;
}

export class Launcher {
  readonly #parts: LauncherParts;

  constructor(parts: LauncherParts) {
    this.#parts = parts;
  }

  launch(now: number): void {
    const { registry, places, assigner, jobs } = this.#parts;
    if (assigner.pending === 0) return;
    const workers = places.capacities(now);
    if (workers.length === 0) return;
    const launches = new Map<WorkerId, TaskLaunch[]>();
    assigner.assign(workers, registry.sharesNodes, now, (assignment) => {
      const { worker } = assignment;
      const launch = jobs.launch(assignment);
      registry.launched(registry.get(worker) as WorkerRecord, launch, now);
      const batch = launches.get(worker);
      if (batch === undefined) launches.set(worker, [launch]);
      else batch.push(launch);
    });
    for (const [worker, batch] of launches) this.#send(registry.get(worker) as WorkerRecord, batch);
  }

  #send(record: WorkerRecord, launches: readonly TaskLaunch[]): void {
    const { outbox, maxLaunches } = this.#parts;
    let batch: TaskLaunch[] = [];
    let bytes = 0;
    const flush = () => {
      if (batch.length > 0) outbox.send(record.id, { kind: "launch", launches: batch });
      batch = [];
      bytes = 0;
    };
    for (const launch of launches) {
      for (const { shuffle, version } of launch.shuffles) {
        const name = `${launch.key.session} ${shuffle}`;
        if ((record.sentLocations.get(name) ?? 0) >= version) continue;
        const locations = this.#locations(launch.key.session, shuffle);
        if (locations === null) continue;
        flush();
        outbox.send(record.id, { kind: "mapOutputs", locations });
        record.sentLocations.set(name, locations.version);
      }
      const size = launchBytes(launch);
      if (batch.length >= maxLaunches || (bytes > 0 && bytes + size > LAUNCH_BYTES)) flush();
      batch.push(launch);
      bytes += size;
    }
    flush();
  }

  #locations(session: SessionId, shuffle: ShuffleId): MapOutputLocations | null {
    const { registry, jobs } = this.#parts;
    const outputs = jobs.sessions.get(session)?.outputs;
    const locations = outputs?.locations(session, shuffle) ?? null;
    if (outputs === undefined || locations === null) return null;
    return { ...locations, workers: registry.addresses(outputs.workers(shuffle)) };
  }
}

function launchBytes(launch: TaskLaunch): number {
  let bytes = LAUNCH_BASE_BYTES + (launch.more?.length ?? 0) * FOLLOWING_BYTES;
  for (const { split } of launch.splits) {
    if (split.kind === "bytes") bytes += split.bytes.byteLength;
    else if (split.kind !== "range") bytes += LAUNCH_BASE_BYTES * (split.kind === "files" ? split.files.length : 1);
  }
  for (const { parts } of launch.values) bytes += Math.min(valueBytes(parts), VALUE_INLINE_BYTES);
  return bytes;
}
