// The shared storage of part files: pending ones of attempts, and what commits have made visible. One job's commit and abort
// happen one after the other, as in the master's session host.

import type { JobId, SessionId, TaskKey } from "../../src/core/ids.js";
import type { VirtualClock } from "./clock.js";
import type { Random } from "./random.js";
import type { Pair } from "./records.js";

interface Output {
  /** By "stage-partition-attempt"; null once a commit or abort has removed the place. */
  pending: Map<string, readonly Pair[]> | null;
  readonly visible: Map<number, readonly Pair[]>;
  commits: number;
  /** Commits and aborts that have not happened yet. */
  underWay: number;
  freeAtMs: number;
}

type Picked = readonly { readonly pending: string; readonly final: string }[];

export class SimulatedFiles {
  readonly #outputs = new Map<string, Output>();

  constructor(
    private readonly clock: VirtualClock,
    private readonly random: Random,
  ) {}

  prepare(session: SessionId, job: JobId): void {
    this.#outputs.set(`${session}/${job}`, {
      pending: new Map(),
      visible: new Map(),
      commits: 0,
      underWay: 0,
      freeAtMs: 0,
    });
  }

  write(key: TaskKey, records: readonly Pair[]): { readonly pending: string; readonly final: string } | null {
    const output = this.#outputs.get(`${key.session}/${key.job}`);
    if (output === undefined || output.pending === null) return null;
    const pending = `${key.stage}-${key.partition}-${key.attempt}`;
    output.pending.set(pending, records);
    return { pending, final: String(key.partition) };
  }

  /** `done` with what is wrong with the commit; null: it is made. One that `fails` leaves nothing behind. */
  commit(session: SessionId, job: JobId, files: Picked, fails: boolean, done: (problem: string | null) => void): void {
    this.#later(session, job, (output) => {
      output.commits++;
      const problem = output.commits > 1 ? "was committed twice" : moveUp(output, files);
      output.pending = null;
      if (fails) output.visible.clear();
      done(problem);
    });
  }

  abort(session: SessionId, job: JobId): void {
    this.#later(session, job, (output) => {
      output.pending = null;
      output.visible.clear();
    });
  }

  /** Part files that readers see, by partition. */
  visible(session: SessionId, job: JobId): ReadonlyMap<number, readonly Pair[]> {
    return this.#outputs.get(`${session}/${job}`)?.visible ?? new Map();
  }

  /** Places of pending files that nobody has removed, and removals that have not happened yet. */
  leftovers(): string[] {
    return [...this.#outputs].flatMap(([name, { pending, underWay }]) =>
      pending === null && underWay === 0 ? [] : [`the pending files of ${name} are still there`],
    );
  }

  #later(session: SessionId, job: JobId, act: (output: Output) => void): void {
    const output = this.#outputs.get(`${session}/${job}`);
    if (output === undefined) return;
    output.freeAtMs = Math.max(output.freeAtMs, this.clock.now) + 1 + this.random.below(60);
    output.underWay++;
    this.clock.after(output.freeAtMs - this.clock.now, () => {
      output.underWay--;
      act(output);
    });
  }
}

function moveUp(output: Output, files: Picked): string | null {
  for (const { pending, final } of files) {
    const records = output.pending?.get(pending);
    if (records === undefined) return `commits ${pending}, which is not there`;
    if (output.visible.has(Number(final))) return `commits ${final} twice`;
    output.visible.set(Number(final), records);
  }
  return null;
}
