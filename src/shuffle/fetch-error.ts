// A block that could not be had, with the names that the scheduler needs to compute it again. The code stays BLOCK_CORRUPT
// where bytes were damaged; all else that goes wrong on the way to a block is FETCH_FAILED.

import { isMillraceError, MillraceError } from "../core/errors.js";
import { type ShuffleId, shuffleId, type WorkerId, workerId } from "../core/ids.js";

export interface BlockName {
  readonly shuffle: ShuffleId;
  readonly map: number;
  readonly worker: WorkerId;
}

export function toFetchError(error: unknown, block: BlockName): MillraceError {
  if (fetchFailureOf(error) !== null) return error as MillraceError;
  const code = isMillraceError(error) && error.code === "BLOCK_CORRUPT" ? "BLOCK_CORRUPT" : "FETCH_FAILED";
  const reason = error instanceof Error ? error.message : String(error);
  return new MillraceError(
    code,
    `cannot read the output of map ${block.map} of shuffle ${block.shuffle} from worker ${block.worker}: ${reason}`,
    { fields: { shuffle: block.shuffle, map: block.map, worker: block.worker }, cause: error },
  );
}

/** The block that an error is about; null for every other error. Wrappers do not hide it. */
export function fetchFailureOf(error: unknown): BlockName | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (!isMillraceError(at) || (at.code !== "FETCH_FAILED" && at.code !== "BLOCK_CORRUPT")) continue;
    const { shuffle, map, worker } = at.fields;
    if (typeof shuffle === "number" && typeof map === "number" && typeof worker === "string") {
      return { shuffle: shuffleId(shuffle), map, worker: workerId(worker) };
    }
  }
  return null;
}
