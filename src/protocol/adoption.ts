// What a worker that is being decommissioned gives to others before it goes. The master names blocks, the receiver pulls them
// (a whole map output, a cached partition) and says of each whether it has it now. A block is named in full, never by a number
// of the master's: a report may outlive the master that asked.

import type { WireError } from "../core/errors.js";
import type { NodeId, SessionId, ShuffleId, StageId } from "../core/ids.js";

export type AdoptableBlock =
  /** A committed map output: one file, in the receiver under the same attempt's name. `sizeBytes` is about right. */
  | {
      readonly kind: "mapOutput";
      readonly session: SessionId;
      readonly shuffle: ShuffleId;
      readonly map: number;
      readonly stage: StageId;
      readonly attempt: number;
      readonly sizeBytes: number;
    }
  | {
      readonly kind: "cached";
      readonly session: SessionId;
      readonly node: NodeId;
      readonly partition: number;
      /** How often the node was made anew: of another generation nothing is given. */
      readonly generation: number;
      readonly sizeBytes: number;
    };

export interface AdoptionOutcome {
  readonly block: AdoptableBlock;
  /** null: it is here now. */
  readonly error: WireError | null;
}

/** The one spelling of a block's name, for maps and logs. */
export function blockName(block: AdoptableBlock): string {
  return block.kind === "mapOutput"
    ? `${block.session} shuffle ${block.shuffle} ${block.map}-${block.stage}-${block.attempt}`
    : `${block.session} cached ${block.node}-${block.partition}${block.generation === 0 ? "" : `, generation ${block.generation}`}`;
}
