// Function capture that keeps the functions themselves: for tests of everything but capturing.

import type { ClassRegistry } from "../../src/codec/class-registry.js";
import { noClasses } from "../../src/codec/class-registry.js";
import { blobHash } from "../../src/core/ids.js";
import type { CallSite, FunctionRef } from "../../src/plan/function.js";
import { isAsync } from "../../src/session/arguments.js";
import type { AnyFunction, FunctionCapture, SourcePositions } from "../../src/session/function-capture.js";

/** The side of the tasks, as the fake master needs it. */
export interface FakeTasks {
  readonly classes: ClassRegistry;
  revive(ref: FunctionRef): (...args: unknown[]) => unknown;
}

export class FakeCapture implements FunctionCapture, SourcePositions, FakeTasks {
  readonly classes: ClassRegistry = noClasses;
  readonly bundles: ReadonlyMap<string, Uint8Array> = new Map();
  readonly #functions = new Map<string, AnyFunction>();

  capture(fn: AnyFunction, _method: string): FunctionRef {
    const hash = `fn-${this.#functions.size + 1}`;
    this.#functions.set(hash, fn);
    return { hash: blobHash(hash), bytes: Buffer.from(hash), async: isAsync(fn), name: fn.name };
  }

  revive = (ref: FunctionRef): ((...args: unknown[]) => unknown) => {
    return this.#functions.get(ref.hash) as unknown as (...args: unknown[]) => unknown;
  };

  callSite(method: string, skipAbove: AnyFunction): CallSite {
    const holder: { stack?: string } = {};
    Error.captureStackTrace(holder, skipAbove);
    const [, file, line, column] = /\(?([^ ()]+):(\d+):(\d+)\)?$/m.exec(holder.stack ?? "") ?? [];
    return { file: file ?? "unknown", line: Number(line ?? 0), column: Number(column ?? 0), method };
  }

  mapStack(stack: string): string {
    return stack;
  }
}
