// A service thread that is started before anybody needs it: `millrace run` starts one while the program is still compiled, and
// the program's first session takes it. It stands under a global symbol, because command and program load builds of their own.

import { Worker } from "node:worker_threads";
import type { ServiceData, ToService } from "./messages.js";

const PLACE = Symbol.for("millrace.spareServiceThread");
const place = globalThis as { [PLACE]?: { readonly thread: Worker; readonly entry: string } };
const OPTIONS = { execArgv: [], stdout: false, stderr: false };
const ignore = () => undefined;

/** Keeps no process alive; a program without a session never notices it. */
export function startSpareThread(entry: URL): void {
  const thread = new Worker(entry, { ...OPTIONS, workerData: null });
  thread.unref();
  // One that cannot start is noticed by who takes it.
  thread.on("error", ignore);
  place[PLACE] = { thread, entry: entry.href };
}

/** The spare thread if there is one of this build, else a new one. */
export function serviceThread(entry: URL, data: ServiceData): Worker {
  const spare = place[PLACE];
  if (spare?.entry !== entry.href || spare.thread.threadId === -1) {
    return new Worker(entry, { ...OPTIONS, workerData: data });
  }
  delete place[PLACE];
  const { thread } = spare;
  thread.off("error", ignore);
  thread.ref();
  // The program may have changed its environment since; a thread has a copy.
  thread.postMessage({ kind: "start", data, env: { ...process.env } } satisfies ToService);
  return thread;
}
