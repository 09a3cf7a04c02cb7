// A block server's answer as an async iterable: the next chunks are asked for as earlier ones are taken, so that a slow taker
// slows the sender.

import type { BlockClient } from "./grpc/block-client.js";

/** Chunks that wait for their taker: one while the taker has another. What else was sent lies in the stream's window. */
const MAX_QUEUED = 1;

/** The bytes that `request` names at the server, chunk by chunk. Throws what BlockClient.fetch throws. */
export async function* streamBlocks(
  client: BlockClient,
  address: string,
  request: unknown,
  signal: AbortSignal,
  servers = 1,
): AsyncGenerator<Uint8Array, void, void> {
  const queue: Uint8Array[] = [];
  const stop = new AbortController();
  let ended: { readonly error: unknown } | null = null;
  let wakeTaker = () => {};
  let wakeSender = () => {};
  const take = (chunk: Uint8Array): unknown => {
    queue.push(chunk);
    wakeTaker();
    if (queue.length < MAX_QUEUED) return undefined;
    return new Promise<void>((resolve) => {
      wakeSender = resolve;
    });
  };
  const end = (error: unknown): void => {
    ended = { error };
    wakeTaker();
  };
  const running = client
    .fetch(address, request, take, { signal: AbortSignal.any([signal, stop.signal]), servers })
    .then(() => end(null), end);
  // Assigned in callbacks, which the compiler does not see.
  const state = (): { readonly error: unknown } | null => ended;
  try {
    for (;;) {
      const chunk = queue.shift();
      if (chunk !== undefined) {
        wakeSender();
        yield chunk;
        continue;
      }
      const over = state();
      if (over !== null) {
        if (over.error !== null) throw over.error;
        return;
      }
      await new Promise<void>((resolve) => {
        wakeTaker = resolve;
      });
    }
  } finally {
    stop.abort();
    wakeSender();
    await running;
  }
}
