// A value sent to every worker once and used by any number of functions.

import { MillraceError } from "../core/errors.js";
import type { HandleReference } from "../plan/handles.js";
import { toReference } from "./travelling.js";

export interface BroadcastOwner {
  release(scope: "workers" | "everywhere"): void;
}

/**
 * A value that tasks share: sent to the master once, fetched by each worker at most once and decoded at most once a slot.
 * Use it in place of a plain captured variable when the value is large or used by many functions.
 *
 * ```ts
 * const stopWords = session.broadcast(new Set(["the", "a"]));
 * const rest = words.filter((word) => !stopWords.value.has(word));
 * ```
 *
 * As in Spark the value must not be changed after the call. Made by `session.broadcast(value)`.
 */
export class Broadcast<T> {
  readonly #owner: BroadcastOwner;
  readonly #reference: HandleReference;
  #value: { readonly value: T } | null;

  /** Made by a Session. @hidden */
  constructor(value: T, reference: HandleReference, owner: BroadcastOwner) {
    this.#value = { value };
    this.#reference = reference;
    this.#owner = owner;
  }

  /** The value: the given object itself in the driver, an equal one in tasks. Throws INVALID_ARGUMENT after `destroy`. */
  get value(): T {
    return this.#alive("read").value;
  }

  /** Removes the workers' copies; a task that uses the value again fetches it again. */
  unpersist(): void {
    this.#alive("unpersist");
    this.#owner.release("workers");
  }

  /** Removes the value everywhere. Functions that use it fail from now on. Calling it twice does nothing. */
  destroy(): void {
    if (this.#value === null) return;
    this.#value = null;
    this.#owner.release("everywhere");
  }

  /** @hidden */
  [toReference](): HandleReference {
    this.#alive("use in a function");
    return this.#reference;
  }

  #alive(what: string): { readonly value: T } {
    if (this.#value === null) {
      throw new MillraceError(
        "INVALID_ARGUMENT",
        `cannot ${what} a broadcast value that was destroyed; broadcast it again`,
      );
    }
    return this.#value;
  }
}
