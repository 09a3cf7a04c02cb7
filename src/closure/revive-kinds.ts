// Fresh objects of the kinds that need more than a literal, as a revived graph has them.

import { createRequire } from "node:module";

/** V8's deserialiser makes arrays of its most general kind; one that is filled in order is as fast as the user's own. */
export function packed(items: readonly unknown[]): unknown[] {
  const made: unknown[] = [];
  for (const item of items) made.push(item);
  return made;
}

export function makeError(type: string): Error {
  const made = new (
    (globalThis as unknown as Record<string, new (message?: unknown) => Error>)[
      type === "AggregateError" ? "Error" : type
    ] ?? Error
  )();
  if (type === "AggregateError") Object.setPrototypeOf(made, AggregateError.prototype as object);
  for (const key of Reflect.ownKeys(made)) Reflect.deleteProperty(made, key);
  return made;
}

export function makeView(type: string, buffer: ArrayBuffer, offset: number, length: number): object {
  if (type === "Buffer") return Buffer.from(buffer, offset, length);
  const Make = (
    globalThis as unknown as Record<string, new (buffer: ArrayBuffer, offset: number, length: number) => object>
  )[type];
  return new (Make as NonNullable<typeof Make>)(buffer, offset, length);
}

/** millrace's own exports inside a task: the build beside this file. */
export function ownExport(path: readonly string[]): unknown {
  const exports = createRequire(import.meta.url)("./index.cjs") as Record<string, unknown>;
  return path.reduce(
    (value: unknown, name) => (name === "default" ? value : (value as Record<string, unknown>)[name]),
    exports,
  );
}
