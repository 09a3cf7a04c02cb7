// Removes what nobody needs any more from a worker's directory, block server and cache: files are closed before they go. What
// is not there any more is no failure; what cannot be removed of an attempt is logged.

import { rmSync } from "node:fs";
import { formatTaskKey, type SessionId, type ShuffleId, type TaskKey } from "../core/ids.js";
import { type MapOutputName, mapOutputPath, resultPath, shuffleDirectory } from "../shuffle/paths.js";
import type { BlockService } from "./block-service.js";
import type { CacheStore } from "./cache-store.js";
import type { WorkerDirectory } from "./worker-directory.js";

export class Disposal {
  constructor(
    private readonly directory: WorkerDirectory,
    private readonly blocks: BlockService,
    private readonly cache: CacheStore,
    private readonly log: (message: string) => void,
  ) {}

  results(keys: readonly TaskKey[]): void {
    for (const key of keys) rmSync(resultPath(this.directory.path, key), { force: true });
  }

  shuffle(session: SessionId, shuffle: ShuffleId): void {
    const path = shuffleDirectory(this.directory.path, session, shuffle);
    this.blocks.release(path);
    rmSync(path, { recursive: true, force: true });
  }

  /** Single outputs that the master does not take. */
  outputs(
    session: SessionId,
    shuffle: ShuffleId,
    outputs: readonly Omit<MapOutputName, "session" | "shuffle">[],
  ): void {
    for (const output of outputs) {
      const path = mapOutputPath(this.directory.path, { session, shuffle, ...output });
      this.blocks.release(path);
      rmSync(path, { force: true });
    }
    this.directory.removeIfEmpty(shuffleDirectory(this.directory.path, session, shuffle));
  }

  session(session: SessionId): void {
    this.cache.remove(session);
    this.blocks.release(this.directory.path);
    this.directory.removeSession(session);
  }

  /** Before its end is told: the session may go with it. */
  attempt(key: TaskKey): void {
    try {
      this.directory.removeAttempt(key);
    } catch (error) {
      this.log(`files of ${formatTaskKey(key)} could not be removed: ${(error as Error).message}`);
    }
  }
}
