// Where the map outputs of one session's shuffles lie. Every change grows the shuffle's version; a launch names the version
// it needs. Only the attempt that the scheduler accepted is kept; what a lost worker held is dropped at once. What readers may
// have taken of a dropped output is remembered by its checksum: a recomputed one that differs is another version.

import type { SessionId, ShuffleId, StageId, WorkerId } from "../../core/ids.js";
import type { MapOutput, MapOutputLocation, MapOutputLocations } from "../../protocol/tasks.js";
import type { OfferedOutput } from "../../protocol/worker.js";
import type { MapOutputsOptions } from "./options.js";
import type { HeldOutput, LocatedOutput, LostOutputs, ReturnedOutputs, ShuffleState } from "./state.js";

export class MapOutputs {
  readonly #options: MapOutputsOptions;
  readonly #shuffles = new Map<ShuffleId, ShuffleState>();
  #changes = 0;

  constructor(options: MapOutputsOptions) {
    this.#options = options;
  }

  /** Grows with every output that comes or goes, of any shuffle: says which of two things was earlier. */
  get changes(): number {
    return this.#changes;
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
      readAtChange: -1,
      read: new Map(),
      lostWithWorker: new Map(),
    });
  }

  /** Its map tasks turned out to be more than was planned. Only while no output is there. */
  resize(shuffle: ShuffleId, maps: number): void {
    const state = this.#shuffles.get(shuffle);
    if (state === undefined || state.missing < state.outputs.length || state.outputs.length === maps) return;
    state.outputs = new Array(maps).fill(null);
    state.missing = maps;
  }

  /** All outputs of a complete shuffle, by map; null while maps are missing. */
  outputs(shuffle: ShuffleId): readonly MapOutput[] | null {
    const state = this.#shuffles.get(shuffle);
    if (state === undefined || state.missing > 0) return null;
    return state.outputs.flatMap((located) => (located === null ? [] : [located.output]));
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

  /** Somebody is told where the outputs lie now: from here on each of them may have been read. */
  given(shuffle: ShuffleId): void {
    const state = this.#shuffles.get(shuffle);
    if (state !== undefined) state.readAtChange = this.#changes;
  }

  /** true: it is not what readers may have taken of this map before. What they made of it must be made again. */
  add(shuffle: ShuffleId, map: number, location: MapOutputLocation, output: MapOutput): boolean {
    const state = this.#shuffles.get(shuffle);
    if (state === undefined) return false;
    this.#drop(state, map);
    this.#put(state, map, location, output);
    const before = state.read.get(map);
    if (before === undefined || !differ(before, output)) return false;
    // Whoever read any of this shuffle starts over: what they took of it counts no more.
    state.read.clear();
    state.readAtChange = -1;
    return true;
  }

  /**
   * Drops one output if it still lies on `worker` and has lain there since before `beforeChange`; false when it has been
   * replaced since.
   */
  drop(shuffle: ShuffleId, map: number, worker: WorkerId, beforeChange = Number.POSITIVE_INFINITY): boolean {
    const state = this.#shuffles.get(shuffle);
    const found = state?.outputs[map];
    if (state === undefined || found?.location.worker !== worker || found.sinceChange > beforeChange) return false;
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
      for (const map of maps) {
        const gone = state.outputs[map] as LocatedOutput;
        this.#drop(state, map);
        state.lostWithWorker.set(map, gone);
      }
      state.version++;
      lost.push({ shuffle: state.shuffle, maps });
    }
    return lost;
  }

  /**
   * The worker is back with what it has `offered`. Its accepted outputs that are among them stay, under its new address, and so
   * do those that were lost with it and not computed again; what it held else is lost.
   */
  returned(worker: WorkerId, offered: readonly OfferedOutput[]): ReturnedOutputs {
    const found: LostOutputs[] = [];
    const lost: LostOutputs[] = [];
    const names = new Set(offered.map(nameOf));
    const kept = new Set<string>();
    for (const state of this.#shuffles.values()) {
      const { shuffle } = state;
      const isOffered = (map: number, { location: { stage, attempt } }: LocatedOutput) =>
        names.has(nameOf({ shuffle, map, stage, attempt }));
      const gone: number[] = [];
      const back: number[] = [];
      for (const map of [...(state.byWorker.get(worker) ?? [])]) {
        const output = state.outputs[map] as LocatedOutput;
        this.#drop(state, map);
        if (isOffered(map, output)) this.#put(state, map, output.location, output.output);
        else gone.push(map);
      }
      for (const [map, output] of [...state.lostWithWorker]) {
        if (output.location.worker !== worker || !isOffered(map, output)) continue;
        this.#put(state, map, output.location, output.output);
        back.push(map);
      }
      for (const map of state.byWorker.get(worker) ?? []) {
        const { stage, attempt } = (state.outputs[map] as LocatedOutput).location;
        kept.add(nameOf({ shuffle, map, stage, attempt }));
      }
      if (gone.length > 0) {
        state.version++;
        lost.push({ shuffle, maps: gone });
      }
      if (back.length > 0) found.push({ shuffle, maps: back });
    }
    return { found, lost, refused: offered.filter((one) => !kept.has(nameOf(one))) };
  }

  /** Everything of it is of no use any more, and nobody who read it counts. */
  restart(shuffle: ShuffleId): void {
    const state = this.#shuffles.get(shuffle);
    if (state === undefined) return;
    for (let map = 0; map < state.outputs.length; map++) this.#drop(state, map);
    state.read.clear();
    state.readAtChange = -1;
    state.lostWithWorker.clear();
    state.version++;
  }

  /** Drops what another stage than `stage` made: it was placed by bounds of its own. */
  dropOthers(shuffle: ShuffleId, stage: StageId): number[] {
    const state = this.#shuffles.get(shuffle);
    const maps = (state?.outputs ?? []).flatMap((one, map) =>
      one === null || one.location.stage === stage ? [] : [map],
    );
    if (state === undefined || maps.length === 0) return [];
    for (const map of maps) this.#drop(state, map);
    state.lostWithWorker.clear();
    state.version++;
    return maps;
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

  /** Of all shuffles. */
  get totalBytes(): number {
    let sum = 0;
    for (const shuffle of this.#shuffles.keys()) sum += this.bytes(shuffle);
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
      const both = [...state.lostWithWorker.keys()].filter((map) => state.outputs[map] !== null);
      return [
        ...(wrong
          ? [`shuffle ${state.shuffle}: ${state.missing} missing counted, ${missing} found, ${held} held`]
          : []),
        ...both.map((map) => `shuffle ${state.shuffle}: the output of map ${map} is there and lost`),
      ];
    });
  }

  #put(state: ShuffleState, map: number, location: MapOutputLocation, output: MapOutput): void {
    state.outputs[map] = { location, output, sinceChange: ++this.#changes };
    state.lostWithWorker.delete(map);
    state.missing--;
    state.version++;
    const held = state.byWorker.get(location.worker) ?? new Set();
    state.byWorker.set(location.worker, held.add(map));
  }

  #drop(state: ShuffleState, map: number): void {
    const before = state.outputs[map];
    if (before === null || before === undefined) return;
    state.outputs[map] = null;
    state.missing++;
    this.#changes++;
    if (before.sinceChange <= state.readAtChange) state.read.set(map, before.output);
    const held = state.byWorker.get(before.location.worker);
    held?.delete(map);
    if (held?.size === 0) state.byWorker.delete(before.location.worker);
  }
}

function nameOf({ shuffle, map, stage, attempt }: Omit<OfferedOutput, "session">): string {
  return `${shuffle}/${map}-${stage}-${attempt}`;
}

/** Whether two outputs of one map are known to hold other records; without checksums nothing is known. */
function differ(a: MapOutput, b: MapOutput): boolean {
  const isSummed = ({ checksum, records }: MapOutput) => checksum !== "0" || records === 0;
  return isSummed(a) && isSummed(b) && (a.checksum !== b.checksum || a.records !== b.records);
}
