// What launches wait for before a slot can have them: the blobs that they name, fetched once whoever names them, and where the
// map outputs lie that they read, in the version that they name or a later one. Both go with the sessions that need them.

import type { BlobHash, SessionId, ShuffleId } from "../../core/ids.js";
import type { MapOutputLocations, TaskLaunch } from "../../protocol/tasks.js";

interface Blob {
  state: "fetching" | "here";
  /** Those whose launches name it. */
  readonly sessions: Set<SessionId>;
}

export class LaunchInputs {
  readonly #blobs = new Map<BlobHash, Blob>();
  readonly #locations = new Map<SessionId, Map<ShuffleId, MapOutputLocations>>();

  /** `fetch` asks for a blob: it arrives, or fails. */
  constructor(private readonly fetch: (hash: BlobHash) => void) {}

  /** Whether a launch that is here, or may come from a session that it came from, needs the blob. */
  names(hash: BlobHash): boolean {
    return this.#blobs.has(hash);
  }

  /** Asks for what is not here and not on its way. */
  want(launch: TaskLaunch): void {
    for (const hash of blobsOf(launch)) {
      let blob = this.#blobs.get(hash);
      if (blob === undefined) {
        blob = { state: "fetching", sessions: new Set() };
        this.#blobs.set(hash, blob);
        this.fetch(hash);
      }
      blob.sessions.add(launch.key.session);
    }
  }

  /** Whether nothing is missing. */
  areHere(launch: TaskLaunch): boolean {
    if (this.#blobs.get(launch.fragment)?.state !== "here") return false;
    if (launch.values.some(({ blob }) => blob !== undefined && this.#blobs.get(blob)?.state !== "here")) return false;
    const known = this.#locations.get(launch.key.session);
    return launch.shuffles.every(({ shuffle, version }) => (known?.get(shuffle)?.version ?? -1) >= version);
  }

  locationsFor(launch: TaskLaunch): MapOutputLocations[] {
    const known = this.#locations.get(launch.key.session);
    return launch.shuffles.flatMap(({ shuffle }) => known?.get(shuffle) ?? []);
  }

  blobArrived(hash: BlobHash): void {
    const blob = this.#blobs.get(hash);
    if (blob !== undefined) blob.state = "here";
  }

  /** Whoever names it later asks for it again. */
  blobFailed(hash: BlobHash): void {
    if (this.#blobs.get(hash)?.state === "fetching") this.#blobs.delete(hash);
  }

  blobsReleased(hashes: readonly BlobHash[]): void {
    for (const hash of hashes) this.#blobs.delete(hash);
  }

  /** A version older than the one that is known changes nothing. */
  learn(locations: MapOutputLocations): void {
    const known = this.#locations.get(locations.session) ?? new Map<ShuffleId, MapOutputLocations>();
    this.#locations.set(locations.session, known);
    if ((known.get(locations.shuffle)?.version ?? -1) < locations.version) known.set(locations.shuffle, locations);
  }

  shuffleReleased(session: SessionId, shuffle: ShuffleId): void {
    this.#locations.get(session)?.delete(shuffle);
  }

  sessionReleased(session: SessionId): void {
    this.#locations.delete(session);
    for (const [hash, blob] of this.#blobs) {
      blob.sessions.delete(session);
      if (blob.sessions.size === 0) this.#blobs.delete(hash);
    }
  }

  /** Sessions of which something is here, or on its way. */
  get sessions(): Set<SessionId> {
    const sessions = new Set(this.#locations.keys());
    for (const blob of this.#blobs.values()) for (const session of blob.sessions) sessions.add(session);
    return sessions;
  }
}

/** The fragment, and values that stages before have made. */
export function blobsOf(launch: TaskLaunch): BlobHash[] {
  const hashes = [launch.fragment];
  for (const { blob } of launch.values) if (blob !== undefined) hashes.push(blob);
  return hashes;
}
