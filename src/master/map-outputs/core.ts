// Where the map outputs of one session's shuffles lie. Every change grows the shuffle's version; a launch names the version
// it needs. Only the attempt that the scheduler accepted is kept; what a lost worker held is dropped at once.

import type { SessionId, ShuffleId, WorkerId } from "../../core/ids.js";
import type { MapOutput, MapOutputLocation, MapOutputLocations } from "../../protocol/tasks.js";
import type { MapOutputsOptions } from "./options.js";
import type { HeldOutput, LocatedOutput, LostOutputs, ShuffleState } from "./state.js";

export class MapOutputs {
  readonly #options: MapOutputsOptions;
  readonly #shuffles = new Map<ShuffleId, ShuffleState>();

  constructor(options: MapOutputsOptions) {
    this.#options = options;
  }

  /** Makes the shuffle known; keeps what is there. */
  open(shuffle: ShuffleId, maps: number): void {
    if (this.#shuffles.has(shuffle)) return;
    const version = this.#options.firstVersion;
    this.#shuffles.set(shuffle, {
      shuffle,
      outputs: new Array(maps).fill(null),
      missing: maps,
      version,
      byWorker: new Map(),
    });
  }

  isComplete(shuffle: ShuffleId): boolean {
    return this.#shuffles.get(shuffle)?.missing === 0;
  }

  has(shuffle: ShuffleId, map: number): boolean {
    return this.location(shuffle, map) !== null;
  }

  location(shuffle: ShuffleId, map: number): MapOutputLocation | null {
    return this.#shuffles.get(shuffle)?.outputs[map]?.location ?? null;
  }

  version(shuffle: ShuffleId): number {
    return this.#shuffles.get(shuffle)?.version ?? 0;
  }

  add(shuffle: ShuffleId, map: number, location: MapOutputLocation, output: MapOutput): void {
    const state = this.#shuffles.get(shuffle);
    if (state === undefined) return;
    this.#drop(state, map);
    state.outputs[map] = { location, output };
    state.missing--;
    state.version++;
    const held = state.byWorker.get(location.worker) ?? new Set();
    state.byWorker.set(location.worker, held.add(map));
  }

  /** Drops one output if it still lies on `worker`; false when it has been replaced since. */
  drop(shuffle: ShuffleId, map: number, worker: WorkerId): boolean {
    const state = this.#shuffles.get(shuffle);
    if (state?.outputs[map]?.location.worker !== worker) return false;
    this.#drop(state, map);
    state.version++;
    return true;
  }

  /** What lies on a worker, over all shuffles. */
  *heldBy(worker: WorkerId): Generator<HeldOutput, void, void> {
    for (const state of this.#shuffles.values()) {
      for (const map of state.byWorker.get(worker) ?? []) {
        yield { shuffle: state.shuffle, map, ...(state.outputs[map] as LocatedOutput) };
      }
    }
  }

  /** The same bytes lie on `to` now; false when what stands here is another output, or has gone. */
  move(shuffle: ShuffleId, map: number, from: MapOutputLocation, to: WorkerId): boolean {
    const state = this.#shuffles.get(shuffle);
    const before = state?.outputs[map];
    if (state === undefined || before === null || before === undefined) return false;
    const { location, output } = before;
    if (location.worker !== from.worker || location.stage !== from.stage || location.attempt !== from.attempt)
      return false;
    this.add(shuffle, map, { ...location, worker: to }, output);
    return true;
  }

  dropWorker(worker: WorkerId): LostOutputs[] {
    const lost: LostOutputs[] = [];
    for (const state of this.#shuffles.values()) {
      const maps = [...(state.byWorker.get(worker) ?? [])];
      if (maps.length === 0) continue;
      for (const map of maps) this.#drop(state, map);
      state.version++;
      lost.push({ shuffle: state.shuffle, maps });
    }
    return lost;
  }

  release(shuffle: ShuffleId): void {
    this.#shuffles.delete(shuffle);
  }

  /** Of a complete shuffle; null while maps are missing. */
  locations(session: SessionId, shuffle: ShuffleId): Omit<MapOutputLocations, "workers"> | null {
    const state = this.#shuffles.get(shuffle);
    if (state === undefined || state.missing > 0) return null;
    const outputs = state.outputs.flatMap((output) => (output === null ? [] : [output.location]));
    return { session, shuffle, version: state.version, outputs };
  }

  /** Bytes written for it so far, over all reduce partitions. */
  bytes(shuffle: ShuffleId): number {
    let sum = 0;
    for (const output of this.#shuffles.get(shuffle)?.outputs ?? []) {
      for (const size of output?.output.sizes ?? []) sum += size;
    }
    return sum;
  }

  workers(shuffle: ShuffleId): Iterable<WorkerId> {
    return this.#shuffles.get(shuffle)?.byWorker.keys() ?? [];
  }

  /** Every output that is counted on, with where it lies; for tests. */
  *counted(): Generator<{ readonly shuffle: ShuffleId; readonly map: number; readonly location: MapOutputLocation }> {
    for (const { shuffle, outputs } of this.#shuffles.values()) {
      for (const [map, output] of outputs.entries()) {
        if (output !== null) yield { shuffle, map, location: output.location };
      }
    }
  }

  /** States the invariants; tests call it after every event. */
  validate(): string[] {
    return [...this.#shuffles.values()].flatMap((state) => {
      const missing = state.outputs.filter((output) => output === null).length;
      const held = [...state.byWorker.values()].reduce((sum, maps) => sum + maps.size, 0);
      const wrong = missing !== state.missing || held !== state.outputs.length - missing;
      return wrong
        ? [`shuffle ${state.shuffle}: ${state.missing} missing counted, ${missing} found, ${held} held`]
        : [];
    });
  }

  #drop(state: ShuffleState, map: number): void {
    const before = state.outputs[map];
    if (before === null || before === undefined) return;
    state.outputs[map] = null;
    state.missing++;
    const held = state.byWorker.get(before.location.worker);
    held?.delete(map);
    if (held?.size === 0) state.byWorker.delete(before.location.worker);
  }
}
