// A chain of synchronous operators as a source: for consumers that pull (mapPartitions, union, cache, asynchronous
// operators). The input is fed to the loop in portions, sized by what earlier portions gave, so that a flatMap that makes
// much of each record does not fill memory.

import { BATCH_RECORDS, isPromise } from "../batches.js";
import type { BatchSource, MaybePromise } from "../task-context.js";
import { type ChainEnv, type ChainOperator, type ChainRunner, compileChain, type SinkCode } from "./chain-code.js";

interface OutputMember {
  /** The records since the last call. */
  take(): unknown[];
}

const batchSink: SinkCode = {
  name: "batch",
  setup: "let out = [];",
  record: (x) => `out.push(${x});`,
  pair: null,
  members: "take: () => { const taken = out; out = []; return taken; }",
};

export class FusedSource implements BatchSource {
  readonly #below: BatchSource;
  readonly #loop: ChainRunner & OutputMember;
  readonly #check: () => void;
  #input: readonly unknown[] = [];
  #at = 0;
  #portion = 64;
  #ready: unknown[] = [];
  #given = 0;

  constructor(below: BatchSource, operators: readonly ChainOperator[], env: ChainEnv<null>) {
    this.#below = below;
    this.#loop = compileChain<null, OutputMember>(operators, batchSink, env);
    this.#check = env.checkCancelled;
  }

  next(): MaybePromise<readonly unknown[] | null> {
    for (;;) {
      if (this.#given < this.#ready.length) return this.#give();
      if (this.#at < this.#input.length) {
        this.#process();
        continue;
      }
      this.#check();
      const batch = this.#below.next();
      if (isPromise(batch)) return batch.then((records) => (records === null ? null : this.#resume(records)));
      if (batch === null) return null;
      this.#input = batch;
      this.#at = 0;
    }
  }

  close(): void {
    this.#input = [];
    this.#ready = [];
    this.#below.close();
  }

  #resume(records: readonly unknown[]): MaybePromise<readonly unknown[] | null> {
    this.#input = records;
    this.#at = 0;
    return this.next();
  }

  #process(): void {
    const end = Math.min(this.#input.length, this.#at + this.#portion);
    const count = end - this.#at;
    this.#loop.run(this.#input, this.#at, end);
    this.#at = end;
    this.#ready = this.#loop.take();
    this.#given = 0;
    const perRecord = Math.max(this.#ready.length / count, 1 / 16);
    this.#portion = Math.max(1, Math.min(BATCH_RECORDS, Math.floor(BATCH_RECORDS / perRecord)));
  }

  #give(): readonly unknown[] {
    const { length } = this.#ready;
    const from = this.#given;
    this.#given = Math.min(length, from + BATCH_RECORDS);
    return from === 0 && this.#given === length ? this.#ready : this.#ready.slice(from, this.#given);
  }
}
