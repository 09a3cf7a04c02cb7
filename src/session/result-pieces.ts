// Puts the pieces of a job's results together: partitions come in order, each in one or more pieces, undecoded.

import { MillraceError } from "../core/errors.js";

export interface ResultPiece {
  readonly partition: number;
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

export interface PartitionResult {
  readonly partition: number;
  readonly bytes: Uint8Array;
}

export class ResultPieces {
  #pieces: Uint8Array[] = [];
  #partition = -1;
  /** The partition in `#partition` has had its last piece. */
  #complete = true;

  /** The whole result of a partition when `piece` was its last. Throws PROTOCOL_ERROR when the order is broken. */
  add(piece: ResultPiece): PartitionResult | null {
    const follows = this.#complete ? piece.partition > this.#partition : piece.partition === this.#partition;
    if (!follows) {
      throw new MillraceError(
        "PROTOCOL_ERROR",
        `a result of partition ${piece.partition} came ${this.#complete ? "after" : "within"} that of partition ${this.#partition}`,
      );
    }
    this.#partition = piece.partition;
    this.#complete = piece.last;
    this.#pieces.push(piece.bytes);
    if (!piece.last) return null;
    const bytes = this.#pieces.length === 1 ? piece.bytes : Buffer.concat(this.#pieces);
    this.#pieces = [];
    return { partition: piece.partition, bytes };
  }
}
