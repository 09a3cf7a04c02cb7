// A master that is not there: answers a driver's messages by the lineage model, in process, and keeps what it was told for
// tests to look at. `hold` keeps answers of jobs back until `release`, so that a test can act while a job runs.

import { compareKeys } from "../../src/codec/keys.js";
import { decodeValue, encodeValue, RecordStreamWriter } from "../../src/codec/stream.js";
import { MillraceError, toWireError, type WireError } from "../../src/core/errors.js";
import { sessionId } from "../../src/core/ids.js";
import { noMetrics } from "../../src/core/task-metrics.js";
import type { ActionSpec } from "../../src/plan/lineage.js";
import type { DriverToMaster, JobSummary, MasterToDriver } from "../../src/protocol/driver.js";
import type { MasterLink } from "../../src/session/master-link.js";
import type { FakeTasks } from "./fake-capture.js";
import { groups, LineageModel } from "./lineage-model.js";

type Submit = DriverToMaster & { kind: "submit" };

const summary: JobSummary = {
  stages: 1,
  tasks: 1,
  failedAttempts: 0,
  elapsedMs: 1,
  shuffleBytes: 0,
  spillBytes: 0,
  metrics: noMetrics,
  byStage: [],
  accumulators: [],
  workers: [],
};

export interface FakeMasterOptions {
  /** Answers to `open`; default: it opens. null: never answers. */
  readonly onOpen?: MasterToDriver | null;
  /** No lineage is cut, as where caches have no room. */
  readonly refuseCuts?: boolean;
  /** Results are cut into pieces of so many bytes. Default: one piece. */
  readonly pieceBytes?: number;
  /** Bytes in flight a job before the driver has to acknowledge. Default: no limit. */
  readonly windowBytes?: number;
}

export class FakeMaster implements MasterLink {
  readonly received: DriverToMaster[] = [];
  readonly model: LineageModel;
  closed = false;
  #handler: (message: MasterToDriver) => void = () => undefined;
  #onClose: (error: Error | null) => void = () => undefined;
  #gate: Promise<void> = Promise.resolve();
  #open: (() => void) | null = null;
  readonly #cancelled = new Set<number>();
  readonly #inFlight = new Map<number, { bytes: number; wake: () => void }>();
  #largestInFlight = 0;

  constructor(
    private readonly capture: FakeTasks,
    private readonly options: FakeMasterOptions = {},
  ) {
    this.model = new LineageModel((ref) => capture.revive(ref), capture.classes);
  }

  /** Jobs submitted. */
  get jobs(): Submit[] {
    return this.of("submit");
  }

  /** The most bytes that a job had unacknowledged. */
  get largestInFlight(): number {
    return this.#largestInFlight;
  }

  of<K extends DriverToMaster["kind"]>(kind: K): (DriverToMaster & { kind: K })[] {
    return this.received.filter((message): message is DriverToMaster & { kind: K } => message.kind === kind);
  }

  send(message: DriverToMaster): void {
    this.received.push(message);
    switch (message.kind) {
      case "open": {
        const opened: MasterToDriver = { kind: "opened", session: sessionId("s1"), slots: 2, heartbeatMs: 1000 };
        const answer = this.options.onOpen === undefined ? opened : this.options.onOpen;
        if (answer !== null) queueMicrotask(() => this.#handler(answer));
        return;
      }
      case "submit":
        this.model.learn(message.nodes);
        void this.#run(message);
        return;
      case "countPartitions":
        this.model.learn(message.nodes);
        void this.model.evaluate(message.node).then(
          (partitions) =>
            this.emit({ kind: "partitions", request: message.request, count: partitions.length, error: null }),
          (error) =>
            this.emit({ kind: "partitions", request: message.request, count: null, error: toWireError(error) }),
        );
        return;
      case "cancel":
        this.#cancelled.add(message.job);
        this.#inFlight.get(message.job)?.wake();
        return;
      case "acknowledge": {
        const flight = this.#inFlight.get(message.job);
        if (flight !== undefined) {
          flight.bytes -= message.bytes;
          flight.wake();
        }
        return;
      }
      case "cutLineage": {
        const { request } = message;
        if (this.options.refuseCuts === true) {
          const error = toWireError(new MillraceError("CACHE_FULL", "1 of 2 partitions are cached"));
          queueMicrotask(() => this.emit({ kind: "partitions", request, count: null, error }));
          return;
        }
        this.model.cut(message.node);
        queueMicrotask(() => this.emit({ kind: "partitions", request, count: 1, error: null }));
        return;
      }
      case "releaseNodes":
        this.model.forget(message.nodes);
    }
  }

  onMessage(handler: (message: MasterToDriver) => void): void {
    this.#handler = handler;
  }

  onClose(handler: (error: Error | null) => void): void {
    this.#onClose = handler;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.#onClose(null);
  }

  /** As if the connection broke. */
  lose(error: Error | null): void {
    this.closed = true;
    this.#onClose(error);
  }

  /** A message of the test's own making. */
  emit(message: MasterToDriver): void {
    this.#handler(message);
  }

  hold(): void {
    this.#gate = new Promise((resolve) => (this.#open = resolve));
  }

  release(): void {
    this.#open?.();
  }

  async #run(submit: Submit): Promise<void> {
    await this.#gate;
    let error: WireError | null = null;
    try {
      const partitions = await this.model.evaluate(submit.root);
      for (const [partition, bytes] of (await this.#results(submit.action, partitions)).entries()) {
        await this.#sendResult(submit.job, partition, bytes);
        if (this.#cancelled.has(submit.job)) break;
      }
    } catch (thrown) {
      error = toWireError(thrown, "TASK_FAILED");
    }
    this.emit({ kind: "jobEnded", job: submit.job, error, summary });
  }

  async #sendResult(job: Submit["job"], partition: number, bytes: Uint8Array): Promise<void> {
    const size = this.options.pieceBytes ?? Math.max(1, bytes.byteLength);
    const flight = { bytes: 0, wake: () => {} };
    this.#inFlight.set(job, flight);
    let at = 0;
    do {
      const piece = bytes.subarray(at, at + size);
      while (flight.bytes > 0 && flight.bytes + piece.byteLength > (this.options.windowBytes ?? Infinity)) {
        await new Promise<void>((resolve) => (flight.wake = resolve));
        if (this.#cancelled.has(job)) return;
      }
      at += piece.byteLength;
      flight.bytes += piece.byteLength;
      this.#largestInFlight = Math.max(this.#largestInFlight, flight.bytes);
      this.emit({ kind: "result", job, partition, bytes: piece, last: at >= bytes.byteLength, records: 0 });
    } while (at < bytes.byteLength);
    this.#inFlight.delete(job);
  }

  /** The answer of each partition, as lineage.ts says what an ActionSpec asks. */
  async #results(action: ActionSpec, partitions: unknown[][]): Promise<Uint8Array[]> {
    const { classes } = this.capture;
    const stream = (records: readonly unknown[]) => {
      const writer = new RecordStreamWriter(classes);
      writer.addBatch(records);
      return writer.finish();
    };
    const none = new Uint8Array(0);
    switch (action.kind) {
      case "collect": {
        let left = action.limit ?? Infinity;
        return partitions.map((records) => {
          const taken = records.slice(0, left);
          left -= taken.length;
          return stream(taken);
        });
      }
      case "count":
        return partitions.map((records) => encodeValue(records.length, classes));
      case "reduce": {
        const fn = this.capture.revive(action.fn);
        return partitions.map((records) => stream(records.length === 0 ? [] : [records.reduce((a, b) => fn(a, b))]));
      }
      case "aggregate": {
        for (const made of action.classes ?? []) this.capture.revive(made);
        const seq = this.capture.revive(action.seq);
        return partitions.map((records) =>
          stream([records.reduce((a, b) => seq(a, b), decodeValue(action.zero, classes))]),
        );
      }
      case "top": {
        const key = action.fn === null ? (record: unknown) => record : this.capture.revive(action.fn);
        const sign = action.order === "greatest" ? -1 : 1;
        return partitions.map((records) =>
          stream([...records].sort((a, b) => sign * compareKeys(key(a), key(b))).slice(0, action.n)),
        );
      }
      case "countByKey":
        return partitions.map((records) =>
          stream(groups(records as [unknown, unknown][]).map(([key, values]) => [key, values.length])),
        );
      case "foreach": {
        const fn = this.capture.revive(action.fn);
        for (const record of partitions.flat()) await fn(record);
        return partitions.map(() => none);
      }
      case "foreachPartition": {
        const fn = this.capture.revive(action.fn);
        for (const records of partitions) await fn(records);
        return partitions.map(() => none);
      }
      case "saveAsTextFile":
      case "saveAsObjectFile":
        return partitions.map(() => none);
    }
  }
}
