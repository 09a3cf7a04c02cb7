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

/** Throws PROTOCOL_ERROR when pieces do not come in order. */
export class PieceOrder {
  #partition = -1;
  #complete = true;

  check(piece: ResultPiece): void {
    const follows = this.#complete ? piece.partition > this.#partition : piece.partition === this.#partition;
    if (!follows) {
      throw new MillraceError(
        "PROTOCOL_ERROR",
        `a result of partition ${piece.partition} came ${this.#complete ? "after" : "within"} that of partition ${this.#partition}`,
      );
    }
    this.#partition = piece.partition;
    this.#complete = piece.last;
  }
}

export class ResultPieces {
  readonly #order = new PieceOrder();
  #pieces: Uint8Array[] = [];

  /** The whole result of a partition when `piece` was its last. */
  add(piece: ResultPiece): PartitionResult | null {
    this.#order.check(piece);
    this.#pieces.push(piece.bytes);
    if (!piece.last) return null;
    const bytes = this.#pieces.length === 1 ? piece.bytes : Buffer.concat(this.#pieces);
    this.#pieces = [];
    return { partition: piece.partition, bytes };
  }
}
