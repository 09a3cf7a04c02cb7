// A stream of another worker's blocks that survives a broken connection: it is asked for again, and what was handed out already
// is passed over, for the same request gives the same bytes. Whoever refuses the connection is dead, and whoever answers that
// it has no such block will not have it later: both are told at once.

import { setTimeout as sleep } from "node:timers/promises";
import { isMillraceError } from "../core/errors.js";

export interface RetryOptions {
  /** Times that one stream is asked for again. Option `fetch.retries`. */
  readonly retries: number;
  /** Before the first, second and every further retry. */
  readonly pausesMs: readonly number[];
  readonly log: (message: string) => void;
}

export const RETRY_PAUSES_MS: readonly number[] = [100, 1_000, 5_000];

export async function* retryingFetch(
  open: () => AsyncIterable<Uint8Array>,
  options: RetryOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  let handed = 0;
  for (let retry = 0; ; retry++) {
    let passed = 0;
    try {
      for await (const chunk of open()) {
        const known = Math.min(handed - passed, chunk.byteLength);
        passed += chunk.byteLength;
        if (known === chunk.byteLength) continue;
        handed = passed;
        yield known === 0 ? chunk : chunk.subarray(known);
      }
      return;
    } catch (error) {
      if (signal.aborted || retry >= options.retries || !mayPass(error)) throw error;
      const pauseMs = options.pausesMs[Math.min(retry, options.pausesMs.length - 1)] ?? 0;
      options.log(`a fetch broke off and is tried again in ${pauseMs} ms: ${(error as Error).message}`);
      await sleep(pauseMs, undefined, { signal, ref: false });
    }
  }
}

/** A connection that broke, or did not answer in time; not one that was refused, nor what the other worker itself says. */
function mayPass(error: unknown): boolean {
  if (!isMillraceError(error)) return false;
  if (error.code === "TIMEOUT") return true;
  return error.code === "FETCH_FAILED" && typeof error.fields.status === "number";
}
