// The built engine as users get it: dist/index.js, whose service threads, slots and worker processes are the real ones.
// Event logs and local files of what is opened here go to a directory that is removed with the test file.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Session, SessionOptions } from "../../src/index.js";

export type { Session } from "../../src/index.js";

type Engine = typeof import("../../src/index.js");
// By a path that TypeScript does not follow: dist has its own types, made from the same sources.
const built: string = new URL("../../dist/index.js", import.meta.url).href;

let engine: Promise<Engine> | null = null;

export function loadEngine(): Promise<Engine> {
  engine ??= import(/* @vite-ignore */ built) as Promise<Engine>;
  return engine;
}

/**
 * Call at the top of a test file: gives the function that opens its sessions. All of them are stopped when the file ends, and
 * that they left nothing in their directory is checked by the caller who wants to.
 */
export function sessions(): {
  open(master: string, options?: SessionOptions): Promise<Session>;
  readonly directory: string;
} {
  const directory = mkdtempSync(join(tmpdir(), "millrace-test-"));
  const opened: Session[] = [];
  afterAll(async () => {
    await Promise.all(opened.map((session) => session.stop()));
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    directory,
    async open(master, options = {}) {
      const { Session } = await loadEngine();
      const session = await Session.open({ master, "eventLog.enabled": false, localDir: directory, ...options });
      opened.push(session);
      return session;
    },
  };
}
