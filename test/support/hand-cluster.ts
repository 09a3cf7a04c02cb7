// A cluster as a user starts it by hand: a master and workers by the command line, each a process of its own, with a secret
// and directories of the test's own. Sessions are opened in the test's process. Whatever is left at the end is killed.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { SessionOptions } from "../../src/index.js";
import type { MasterSnapshot } from "../../src/master/snapshot.js";
import { type Running, repository, runNode, watched } from "./cli.js";
import type { loadEngine, Session } from "./engine.js";

const DEADLINE_MS = 40_000;

export type HandProcess = Running;

export interface HandClusterOptions {
  /** Directory of the engine's bundles. Default: dist/. */
  readonly engine?: string;
  /** For every process of the cluster. */
  readonly env?: Readonly<Record<string, string>>;
}

export class HandCluster {
  readonly directory = mkdtempSync(join(tmpdir(), "millrace-hand-"));
  readonly localDir = join(this.directory, "local");
  readonly events = join(this.directory, "events");
  readonly secretFile = join(this.directory, "secret");
  readonly engine: string;
  url = "";
  readonly #env: NodeJS.ProcessEnv;
  readonly #processes: HandProcess[] = [];
  readonly #sessions: Session[] = [];

  constructor(options: HandClusterOptions = {}) {
    this.engine = options.engine ?? join(repository, "dist");
    this.#env = { ...options.env, MILLRACE_EVENT_LOG_DIR: this.events, MILLRACE_SECRET: undefined };
    mkdirSync(this.localDir);
    writeFileSync(this.secretFile, "c2VjcmV0IG9mIHRoaXMgY2x1c3Rlcg-0123456789", { mode: 0o600 });
  }

  /** The first time on a free port, again on the same one. */
  async startMaster(): Promise<HandProcess> {
    const port = /:(\d+)$/.exec(this.url)?.[1] ?? "0";
    const master = this.spawn("master", ["--port", port, "--event-log-dir", this.events]);
    this.url = (await master.saw(/^millrace:\/\/\S+/m))[0];
    return master;
  }

  /** With one slot and 512 MB, unless `flags` say something else; resolves when it is connected. */
  async startWorker(id: string, flags: readonly string[] = [], master = this.url): Promise<HandProcess> {
    const given = ["--slots", "1", "--memory", "512m", "--local-dir", this.localDir, ...flags];
    const worker = this.spawn("worker", ["--master", master, "--id", id, ...given]);
    await worker.saw(/connected to/);
    return worker;
  }

  async open(options: SessionOptions = {}): Promise<Session> {
    const index = pathToFileURL(join(this.engine, "index.js")).href;
    const { Session } = (await import(index)) as Awaited<ReturnType<typeof loadEngine>>;
    const session = await Session.open({ master: this.url, secretFile: this.secretFile, ...options });
    this.#sessions.push(session);
    return session;
  }

  /** A program in a process of its own. */
  submit(program: string, ...args: readonly string[]): HandProcess {
    return this.spawn("submit", ["--master", this.url, program, ...args], false);
  }

  async status(): Promise<MasterSnapshot> {
    const args = ["status", "--json", "--master", this.url, "--secret-file", this.secretFile];
    const { code, stdout, stderr } = await runNode([join(this.engine, "cli.js"), ...args], this.#env);
    if (code !== 0) throw new Error(`millrace status ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as MasterSnapshot;
  }

  /** Asks until `holds`; rejects after 40 s. */
  async statusUntil(what: string, holds: (status: MasterSnapshot) => boolean): Promise<MasterSnapshot> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const status = await this.status();
      if (holds(status)) return status;
      if (Date.now() > deadline) throw new Error(`after 40 s still not: ${what}: ${JSON.stringify(status)}`);
    }
  }

  /** The files that workers have, below `localDir`, without the owners' own. */
  files(localDir = this.localDir): string[] {
    for (;;) {
      try {
        return readdirSync(localDir, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile() && entry.name !== "owner.json")
          .map((entry) => join(entry.parentPath, entry.name));
      } catch (error) {
        // A directory went while it was read: each look again finds fewer.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT" || !existsSync(localDir)) throw error;
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.stop()));
    await Promise.all(
      this.#processes.map(async ({ child, ended }) => {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
        await ended;
      }),
    );
    rmSync(this.directory, { recursive: true, force: true });
  }

  spawn(command: string, args: readonly string[], serves = true): HandProcess {
    const { MILLRACE_MASTER: _master, VITEST: _vitest, ...inherited } = process.env;
    const secret = command === "submit" ? args.slice(0, 2) : [];
    const rest = args.slice(secret.length);
    const all = [join(this.engine, "cli.js"), command, ...secret, "--secret-file", this.secretFile, ...rest];
    const child = spawn(process.execPath, all, {
      cwd: serves ? this.directory : repository,
      env: { ...inherited, ...this.#env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const started = watched(child, `millrace ${command}`);
    this.#processes.push(started);
    return started;
  }
}
