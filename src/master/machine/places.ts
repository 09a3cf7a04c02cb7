// The workers as the scheduler and the assigner see them: where tasks may run, and how much room is left there. One whose disk
// is nearly full is there and gets no launches. Looks at the registry, changes nothing.

import type { WorkerId } from "../../core/ids.js";
import type { Place } from "../job-scheduler/index.js";
import type { Capacity } from "../task-assigner/index.js";
import type { WorkerRecord, WorkerRegistry } from "../worker-registry/index.js";

export class Places {
  readonly #registry: WorkerRegistry;

  constructor(registry: WorkerRegistry) {
    this.#registry = registry;
  }

  /** null for a worker that is not there. */
  find(id: WorkerId): Place | null {
    const record = this.#registry.get(id);
    // One whose stream is broken is not counted on: what it held is taken as lost when somebody misses it.
    return record === undefined || record.state.kind === "disconnected" ? null : placeOf(record);
  }

  /** Places of workers that may get launches. */
  launchable(): Place[] {
    return this.#launchable().map(placeOf);
  }

  /** What workers that may get launches have room for. */
  capacities(now: number): Capacity[] {
    return this.#launchable().map((record) => ({
      worker: record.id,
      node: record.registration.node,
      slots: record.registration.slots,
      inFlight: record.units,
      stalled: this.#registry.isStalled(record, now),
    }));
  }

  /** Workers that would get launches, had they room on their disks. */
  shortOfDisk(): WorkerId[] {
    return [...this.#registry.all].filter((one) => one.state.kind === "active" && one.diskShort).map(({ id }) => id);
  }

  #launchable(): WorkerRecord[] {
    return [...this.#registry.all].filter((one) => one.state.kind === "active" && !one.diskShort);
  }
}

export function placeOf({ id, state, registration }: WorkerRecord): Place {
  const { node, role, incarnation } = registration;
  const takesTasks = state.kind === "active" || state.kind === "registering";
  return { worker: id, process: `${id} ${incarnation}`, node, role, takesTasks };
}
