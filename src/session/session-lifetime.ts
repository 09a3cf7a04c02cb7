// From the request to open a session to its end, whoever ended it: whether it can be used, why it cannot any more, and who waits
// for either. What the end means to jobs and questions is told by `onOver`.
//
//   opening --opened--> open --stop()--> stopped
//           --refused, timeout--> fails      open --link lost--> lost

import { fromWireError, isMillraceError, MillraceError, type WireError } from "../core/errors.js";
import type { SessionId } from "../core/ids.js";
import type { DriverToMaster, SessionSettings } from "../protocol/driver.js";
import type { MasterLink } from "./master-link.js";

export class SessionLifetime {
  readonly #link: MasterLink;
  readonly #onOver: (why: MillraceError) => void;
  readonly #ended: Promise<void>;
  #onEnded: () => void = () => undefined;
  #opening: { resolve(): void; reject(error: Error): void } | null = null;
  #opened: { readonly session: SessionId; readonly slots: number } | null = null;
  #stopping: Promise<void> | null = null;
  /** Why nothing can be asked any more. */
  #over: MillraceError | null = null;

  /** `onOver` is called once, before anybody who waits is told. */
  constructor(link: MasterLink, onOver: (why: MillraceError) => void) {
    this.#link = link;
    this.#onOver = onOver;
    this.#ended = new Promise((resolve) => (this.#onEnded = resolve));
  }

  get session(): SessionId {
    return this.#opened!.session;
  }

  /** Slots of the cluster when the session was opened. */
  get slots(): number {
    return this.#opened!.slots;
  }

  /** Resolves when the session is over. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Throws SESSION_STOPPED or MASTER_LOST when the session is over. */
  requireOpen(method: string): void {
    const over = this.#over;
    if (over !== null)
      throw new MillraceError(over.code, `${method}: ${over.message}`, {
        fields: { ...over.fields, method },
        cause: over.cause,
      });
  }

  /** Nothing is said any more once the session is over. */
  tell(message: DriverToMaster): void {
    if (this.#over === null) this.#link.send(message);
  }

  /** Throws what the master refused with, MASTER_LOST, or TIMEOUT, and then closes the link. */
  async open(settings: SessionSettings, timeoutMs: number): Promise<void> {
    try {
      await this.#open(settings, timeoutMs);
    } catch (error) {
      this.#over ??= sessionStopped();
      await this.#link.close();
      throw error;
    }
  }

  async #open(settings: SessionSettings, timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#opening = { resolve, reject };
        timer = setTimeout(() => reject(openTimeout(timeoutMs)), timeoutMs);
        this.#link.send({ kind: "open", settings });
      });
    } finally {
      clearTimeout(timer);
      this.#opening = null;
    }
  }

  opened(session: SessionId, slots: number): void {
    this.#opened = { session, slots };
    this.#opening?.resolve();
  }

  refused(error: WireError): void {
    this.#opening?.reject(fromWireError(error));
  }

  /** The conversation with the master is over; null: because this side asked for it. */
  closed(error: Error | null): void {
    if (this.#over === null) {
      const reason = error === null ? "the connection was closed" : error.message;
      this.#end(
        isMillraceError(error)
          ? error
          : new MillraceError("MASTER_LOST", `the connection to the master ended: ${reason}`, {
              cause: error ?? undefined,
            }),
      );
    }
    this.#opening?.reject(this.#over!);
    this.#onEnded();
  }

  /** Calling it again waits for the same end. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const lost = this.#over !== null;
    this.#end(sessionStopped());
    if (!lost) this.#link.send({ kind: "close" });
    await this.#link.close();
    this.#onEnded();
  }

  #end(error: MillraceError): void {
    if (this.#over !== null) return;
    this.#over = error;
    this.#onOver(error);
  }
}

function sessionStopped(): MillraceError {
  return new MillraceError("SESSION_STOPPED", "the session was stopped");
}

function openTimeout(ms: number): MillraceError {
  return new MillraceError("TIMEOUT", `the master did not open the session within ${ms} ms`, {
    fields: { timeoutMs: ms },
  });
}
