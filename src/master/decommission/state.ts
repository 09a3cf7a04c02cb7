// A worker that is on its way out, and each block that it has to give away.
//
//   block:  open -> moving -> (moved: it lies elsewhere, and is forgotten here)
//             ^       |
//             \-------/ refused, or the receiver is gone        open -> refused (nobody takes it)
//   leaver: emptying -> told (holds nothing that is needed, or its time is over) -> gone

import type { WorkerId } from "../../core/ids.js";
import type { AdoptableBlock } from "../../protocol/adoption.js";

export interface OpenBlock {
  readonly block: AdoptableBlock;
  /** Who has refused it in this round. */
  readonly refusedBy: ReadonlySet<WorkerId>;
  readonly round: number;
  readonly notBeforeMs: number;
}

export interface MovingBlock extends Omit<OpenBlock, "notBeforeMs"> {
  readonly to: WorkerId;
}

/** A worker that may take blocks. */
export interface Receiver {
  readonly worker: WorkerId;
  readonly role: string;
  readonly node: string;
}

/** What has been done so far. */
export interface DecommissionCounts {
  readonly outputsMoved: number;
  readonly cachedMoved: number;
  readonly bytesMoved: number;
  /** Blocks that still lie on the worker alone: they are computed again if it goes now. */
  readonly blocksLeft: number;
  readonly bytesLeft: number;
}

/** What `millrace status` shows of a leaving worker. */
export interface DecommissionProgress extends DecommissionCounts {
  readonly reason: string;
  /** Milliseconds until it leaves whatever is left. */
  readonly leavesInMs: number;
  /** Attempts that it runs. */
  readonly attempts: number;
  /** Large results that no driver has taken yet. */
  readonly results: number;
  /** Attempts elsewhere that may still read from it. */
  readonly readers: number;
}
