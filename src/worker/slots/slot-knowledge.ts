// What a slot's thread has been given of its session, so that each run brings only what is new: fragments by their hash, map
// outputs' locations by shuffle and version. The thread keeps what was used last and is told what to forget: a long session has
// more of both than a thread should hold.

import type { SessionId, ShuffleId } from "../../core/ids.js";
import { RecentlyUsed } from "../../core/recently-used.js";
import type { MapOutputLocations } from "../../protocol/tasks.js";

const KEPT_FRAGMENTS = 256;
const KEPT_FRAGMENT_BYTES = 32 * 1024 * 1024;
const KEPT_SHUFFLES = 256;

/** What a run brings along. */
export interface News {
  /** null: the thread has it. */
  readonly fragment: Uint8Array | null;
  readonly locations: readonly MapOutputLocations[];
  /** Nothing of them is told as known any more. */
  readonly forget: { readonly fragments: readonly string[]; readonly shuffles: readonly ShuffleId[] } | null;
}

export class SlotKnowledge {
  #session: SessionId | null = null;
  readonly #fragments = new RecentlyUsed<string>(KEPT_FRAGMENTS, KEPT_FRAGMENT_BYTES);
  readonly #shuffles = new RecentlyUsed<ShuffleId>(KEPT_SHUFFLES);
  readonly #versions = new Map<ShuffleId, number>();

  /** The thread is about to run something of the session that needs these: of another session it forgets all by itself. */
  tell(session: SessionId, hash: string, fragment: Uint8Array, locations: readonly MapOutputLocations[]): News {
    if (this.#session !== session) this.clear();
    this.#session = session;
    const knows = this.#fragments.has(hash);
    this.#fragments.use(hash, fragment.byteLength);
    const fresh = locations.filter(({ shuffle, version }) => (this.#versions.get(shuffle) ?? -1) < version);
    for (const { shuffle, version } of fresh) this.#versions.set(shuffle, version);
    for (const { shuffle } of locations) this.#shuffles.use(shuffle);
    const fragments = this.#fragments.takeSurplus(1);
    const shuffles = this.#shuffles.takeSurplus(locations.length);
    for (const shuffle of shuffles) this.#versions.delete(shuffle);
    const forget = fragments.length === 0 && shuffles.length === 0 ? null : { fragments, shuffles };
    return { fragment: knows ? null : fragment, locations: fresh, forget };
  }

  /** Its thread is gone. */
  clear(): void {
    this.#session = null;
    this.#fragments.clear();
    this.#shuffles.clear();
    this.#versions.clear();
  }
}
