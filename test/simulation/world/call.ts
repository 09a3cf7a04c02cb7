// A request over the simulated network whose answer is a stream of chunks: a block or a blob. The server makes its answer in one
// step; chunks travel one by one. Fails as the real client does (src/rpc/grpc/channel.ts): refused, broken, or silent for 30 s.

import type { ErrorCode } from "../../../src/core/error-codes.js";
import { fromWireError, toWireError, type WireError } from "../../../src/core/errors.js";
import { type Carried, Lane, type Network } from "./network.js";
import type { SimulatedNode } from "./node.js";

/** CALL_TIMEOUT_MS of the real client: how long the other side may be silent. */
const SILENCE_MS = 30_000;

export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface CallOptions {
  /** Answers at the server; throws what the server would. */
  readonly serve: () => Chunks;
  readonly signal?: AbortSignal;
  /** Code of a broken or silent connection. */
  readonly code: ErrorCode;
  /** The connection breaks after so many chunks; null: not. */
  readonly breaksAfter: number | null;
  /** Told when the call failed because of the network. */
  readonly onNetworkFailure: () => void;
}

export async function* call(
  network: Network,
  client: SimulatedNode,
  server: SimulatedNode,
  options: CallOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const chunks: Uint8Array[] = [];
  let ended: { readonly error: WireError | null } | null = null;
  let wake: () => void = () => undefined;
  let silentSinceMs = network.parts.clock.now;
  const end = (error: WireError | null) => {
    ended ??= { error };
    carried.forget();
    wake();
  };
  const failed = (what: string, fields: WireError["fields"]): WireError => ({
    code: options.code,
    message: `${server.name} ${what}`,
    fields: { address: server.name, ...fields },
  });
  // What gRPC says of a connection that ended has a status; of one that could not be made, and of silence, there is none.
  const carried = new CallCarried(network, client, server, (refused) =>
    end(refused ? failed("cannot be reached", {}) : failed("broke the connection", { status: 14 })),
  );
  if (!server.alive) carried.refuse();
  else {
    carried.there.send(() => {
      void answer(options, (bytes, index) => {
        if (options.breaksAfter !== null && index >= options.breaksAfter) {
          carried.break();
          options.onNetworkFailure();
          return false;
        }
        carried.back.send(() => {
          silentSinceMs = network.parts.clock.now;
          chunks.push(bytes);
          wake();
        });
        return true;
      }).then((error) => carried.back.send(() => end(error)));
    });
  }
  const watch = client.timer(
    () => {
      if (ended !== null || network.parts.clock.now - silentSinceMs < SILENCE_MS) return;
      options.onNetworkFailure();
      end(failed(`was silent for ${SILENCE_MS} ms`, { timeoutMs: SILENCE_MS }));
    },
    1_000,
    true,
  );
  const onAbort = () => end({ code: "TASK_CANCELLED", message: "nobody waits for it any more", fields: {} });
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted === true) onAbort();
  const state = (): { readonly error: WireError | null } | null => ended;
  try {
    for (;;) {
      const chunk = chunks.shift();
      if (chunk !== undefined) {
        yield chunk;
        continue;
      }
      const over = state();
      if (over !== null) {
        if (over.error !== null) throw fromWireError(over.error);
        return;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    watch.stop();
    options.signal?.removeEventListener("abort", onAbort);
    carried.forget();
  }
}

/** Gives every chunk to `take` until it answers false; what went wrong at the server, or null. */
async function answer(
  options: CallOptions,
  take: (bytes: Uint8Array, index: number) => boolean,
): Promise<WireError | null> {
  try {
    let index = 0;
    for await (const bytes of options.serve()) if (!take(Uint8Array.from(bytes), index++)) return null;
    return null;
  } catch (error) {
    // As the server does it: its stack stays there.
    const { stack: _, ...wire } = toWireError(error, "FETCH_FAILED");
    return wire;
  }
}

class CallCarried implements Carried {
  readonly ends: readonly [SimulatedNode, SimulatedNode];
  readonly there: Lane;
  readonly back: Lane;

  constructor(
    private readonly network: Network,
    private readonly client: SimulatedNode,
    private readonly server: SimulatedNode,
    private readonly onBroken: (refused: boolean) => void,
  ) {
    this.ends = [client, server];
    this.there = new Lane(network, client, server);
    this.back = new Lane(network, server, client);
    network.carried.add(this);
  }

  /** Nothing listens there. A machine that is down says nothing: then the silence is what ends the call. */
  refuse(): void {
    if (!this.server.isSilent) this.#tellClient(true);
  }

  break(): void {
    this.#cut();
    this.#tellClient(false);
  }

  forget(): void {
    this.#cut();
  }

  onBlocked(): void {
    // It waits, at most until it has been silent for too long.
  }

  onEnded(node: SimulatedNode, told: boolean): void {
    this.#cut();
    if (node === this.server && told) this.#tellClient(false);
  }

  #cut(): void {
    this.there.cut();
    this.back.cut();
    this.network.carried.delete(this);
  }

  #tellClient(refused: boolean): void {
    const { client } = this;
    const { life } = client;
    const { clock } = this.network.parts;
    clock.after(this.network.arrival(this.server, client) - clock.now, () =>
      client.step(life, () => this.onBroken(refused)),
    );
  }
}
