// In place of node:timers/promises in a worker: a pause in the node's own time, which a signal ends early.

import { here } from "./runtime.js";

export function setTimeout<T>(
  ms: number,
  value: T,
  { signal }: { readonly signal?: AbortSignal; readonly ref?: boolean } = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      timer.stop();
      reject(signal?.reason);
    };
    const timer = here().timer(
      () => {
        signal?.removeEventListener("abort", onAbort);
        resolve(value);
      },
      ms,
      false,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  });
}
