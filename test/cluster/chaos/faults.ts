// The test's side of a fault: tokens that are armed, and the proof that each one fired. Exactly as many faults happen in the
// whole cluster as tokens were armed.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../support/cli.js";
import type { Token } from "./fire.js";

export interface Fired {
  readonly pid: number;
  readonly thread: number;
  /** The attempt that met it, if a slot did. */
  readonly worker?: string;
  readonly kind?: string;
  readonly partition?: number;
  readonly [detail: string]: unknown;
}

export class FaultBudget {
  readonly directory = mkdtempSync(join(tmpdir(), "millrace-faults-"));
  #tokens = 0;

  constructor() {
    for (const name of ["armed", "fired"]) mkdirSync(join(this.directory, name));
  }

  /** What the processes of a cluster need in their environment. */
  get env(): Record<string, string> {
    return { MILLRACE_INTERNAL_CHAOS: this.directory };
  }

  /** One token more: the first that comes by `point` and fits `where` has the fault. */
  arm(point: string, token: Token): Fault {
    const name = `${point}~${this.#tokens++}`;
    // Outside of where they are looked for, so that nobody reads half of one.
    const draft = join(this.directory, name);
    writeFileSync(draft, JSON.stringify(token));
    renameSync(draft, join(this.directory, "armed", name));
    return new Fault(this.directory, name);
  }

  /** Takes back what has not fired. */
  disarm(): void {
    for (const name of readdirSync(join(this.directory, "armed"))) rmSync(join(this.directory, "armed", name));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export class Fault {
  constructor(
    private readonly directory: string,
    readonly name: string,
  ) {}

  get fired(): Fired | null {
    const path = join(this.directory, "fired", `${this.name}.json`);
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Fired) : null;
  }

  /** Rejects after 30 s. */
  async untilFired(): Promise<Fired> {
    await until(`the fault ${this.name} fires`, () => this.fired !== null);
    return this.fired as Fired;
  }
}
