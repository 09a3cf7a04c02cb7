// Values of the driver as bytes for tasks. A class whose instances are met on the way travels too, captured as functions
// are: the task revives it before it decodes.

import type { ClassConstructor, ClassRegistry } from "../codec/class-registry.js";
import { decodeValue, encodeValue, RecordStreamWriter } from "../codec/stream.js";
import type { FunctionRef } from "../plan/function.js";
import type { AnyFunction, FunctionCapture } from "./function-capture.js";

export interface EncodedValue {
  readonly bytes: Uint8Array;
  /** Reviving these makes known the classes of the value. */
  readonly classes: readonly FunctionRef[];
}

export class ValueEncoder {
  readonly #capture: FunctionCapture;
  /** Each class captured once. */
  readonly #carriers = new Map<ClassConstructor, FunctionRef>();

  constructor(capture: FunctionCapture) {
    this.#capture = capture;
  }

  get classes(): ClassRegistry {
    return this.#capture.classes;
  }

  value(value: unknown, method: string): EncodedValue {
    const met = new MetClasses(this, method);
    const bytes = encodeValue(value, met);
    return { bytes, classes: met.carriers };
  }

  /** Each of `slices` as one record stream. */
  slices(
    slices: Iterable<readonly unknown[]>,
    method: string,
  ): { readonly slices: Uint8Array[]; readonly classes: readonly FunctionRef[] } {
    const met = new MetClasses(this, method);
    const encoded: Uint8Array[] = [];
    for (const slice of slices) {
      const writer = new RecordStreamWriter(met);
      writer.addBatch(slice);
      encoded.push(writer.finish());
    }
    return { slices: encoded, classes: met.carriers };
  }

  decode(bytes: Uint8Array): unknown {
    return decodeValue(bytes, this.#capture.classes);
  }

  /** The captured class; captured at its first instance. */
  carrierOf(type: ClassConstructor, method: string): FunctionRef {
    let carrier = this.#carriers.get(type);
    if (carrier === undefined) {
      carrier = this.#capture.capture(type as unknown as AnyFunction, method);
      this.#carriers.set(type, carrier);
    }
    return carrier;
  }
}

/** The classes met while one value is encoded. */
class MetClasses implements ClassRegistry {
  readonly #carriers = new Map<ClassConstructor, FunctionRef>();

  constructor(
    private readonly encoder: ValueEncoder,
    private readonly method: string,
  ) {}

  get carriers(): FunctionRef[] {
    return [...this.#carriers.values()];
  }

  idOf(type: ClassConstructor): string | undefined {
    if (!this.#carriers.has(type)) {
      this.#carriers.set(type, this.encoder.carrierOf(type, this.method));
    }
    return this.encoder.classes.idOf(type);
  }

  byId(id: string): ClassConstructor | undefined {
    return this.encoder.classes.byId(id);
  }
}
