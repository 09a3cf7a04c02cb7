// What the program shares with its tasks: broadcast values, accumulators and metrics. Each has a number in the session, by which
// a function refers to it; what tasks have added to one is put together here, and what it comes to is shown in summaries.

import { inspect } from "node:util";
import type { JobId } from "../core/ids.js";
import type { NamedValue, UserMetricKind } from "../core/user-metrics.js";
import type { HandleReference } from "../plan/handles.js";
import type { DriverToMaster, JobSummary, MasterToDriver } from "../protocol/driver.js";
import { Accumulator, type AccumulatorDefinition, sumsNumbers } from "./accumulator.js";
import { invalidArgument, requireSyncFunction, requireText } from "./arguments.js";
import { blobPieces, hashOf } from "./blobs.js";
import { Broadcast } from "./broadcast.js";
import type { AnyFunction, FunctionCapture } from "./function-capture.js";
import { type AnyMetric, newMetric } from "./user-metrics.js";
import type { ValueEncoder } from "./value-encoder.js";

export interface SharedValuesPorts {
  readonly capture: FunctionCapture;
  readonly values: ValueEncoder;
  /** Throws when the session is over. */
  readonly requireOpen: (method: string) => void;
  /** Nothing is sent once the session is over. */
  readonly send: (message: DriverToMaster) => void;
}

type Updates = (MasterToDriver & { readonly kind: "accumulators" })["updates"];

/** Characters of an accumulator's value that are shown. */
const MAX_SHOWN = 500;

export class SharedValues {
  readonly #ports: SharedValuesPorts;
  readonly #accumulators = new Map<number, Accumulator<unknown, unknown>>();
  readonly #metrics = new Map<number, AnyMetric>();
  readonly #metricsByName = new Map<string, AnyMetric>();
  #handles = 0;

  constructor(ports: SharedValuesPorts) {
    this.#ports = ports;
  }

  /** What every job is submitted with. */
  get accumulatorIds(): number[] {
    return [...this.#accumulators.keys()];
  }

  broadcast<T>(value: T): Broadcast<T> {
    const { requireOpen, values, send } = this.#ports;
    requireOpen("broadcast");
    const { bytes, classes } = values.value(value, "broadcast");
    const hash = hashOf(bytes);
    for (const piece of blobPieces(hash, bytes)) send(piece);
    const reference: HandleReference = {
      kind: "broadcast",
      id: ++this.#handles,
      hash,
      sizeBytes: bytes.byteLength,
      classes,
    };
    return new Broadcast(value, reference, { release: (scope) => send({ kind: "releaseBlob", hash, scope }) });
  }

  accumulator<V, A>(name: string, definition: AccumulatorDefinition<V, A>): Accumulator<V, A> {
    const { requireOpen, values, capture } = this.#ports;
    requireOpen("accumulator");
    requireText("accumulator", "name", name);
    if (typeof definition !== "object" || definition === null || !("zero" in definition)) {
      throw invalidArgument("accumulator", "definition", "an object { zero, add, merge }", definition);
    }
    requireSyncFunction("accumulator", "add", definition.add);
    requireSyncFunction("accumulator", "merge", definition.merge);
    const zero = values.value(definition.zero, "accumulator");
    const add = capture.capture(definition.add as AnyFunction, "accumulator");
    const reference = {
      kind: "accumulator",
      id: ++this.#handles,
      name,
      zero: zero.bytes,
      add,
      classes: zero.classes,
      ...(sumsNumbers in definition ? { sums: true as const } : {}),
    } as const;
    const made = new Accumulator<V, A>(name, definition, reference, () => values.decode(zero.bytes) as V);
    this.#accumulators.set(made.id, made as Accumulator<unknown, unknown>);
    return made;
  }

  /** The metric of that name; made when there is none. INVALID_ARGUMENT when it is one of another kind. */
  metric(name: string, metric: UserMetricKind): AnyMetric {
    this.#ports.requireOpen(metric);
    requireText(metric, "name", name);
    const known = this.#metricsByName.get(name);
    if (known !== undefined) {
      if (known.kind === metric) return known;
      throw invalidArgument(metric, "name", `of no ${known.kind} of this session`, name);
    }
    const made = newMetric({ kind: "metric", id: ++this.#handles, name, metric, classes: [] });
    this.#metricsByName.set(name, made);
    this.#metrics.set(made.id, made);
    return made;
  }

  /** What a task has added. Throws what a merge of the program's throws. */
  absorb(updates: Updates): void {
    for (const { accumulator, value, numbers = [] } of updates) {
      const metric = this.#metrics.get(accumulator);
      if (metric !== undefined) metric.absorb(numbers);
      else this.#accumulators.get(accumulator)?.absorb(this.#ports.values.decode(value));
    }
  }

  /** A named accumulator with what it comes to now, in all jobs. */
  currentValue(value: NamedValue): NamedValue {
    const metric = this.#metrics.get(value.id);
    if (metric !== undefined) return metric.toNamedValue();
    const accumulator = this.#accumulators.get(value.id);
    if (accumulator === undefined) return value;
    const now = accumulator.value;
    return { ...value, value: value.kind === "sum" && typeof now === "number" ? now : shortText(now) };
  }

  /** Accumulators that a function of the program adds up have a value here alone: the master is told, for its event log. */
  complete(job: JobId, summary: JobSummary): JobSummary {
    const values = summary.accumulators.filter(({ kind }) => kind === "custom").map((one) => this.currentValue(one));
    if (values.length === 0) return summary;
    this.#ports.send({ kind: "accumulatorValues", job, values });
    const accumulators = summary.accumulators.map((one) => values.find(({ id }) => id === one.id) ?? one);
    return { ...summary, accumulators };
  }
}

/** A value in a line. */
function shortText(value: unknown): string {
  const text = inspect(value, {
    depth: 2,
    breakLength: Number.POSITIVE_INFINITY,
    maxArrayLength: 20,
    maxStringLength: 200,
  });
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}...`;
}
