// Values that stand on disk because memory does not hold them: what groupByKey and cogroup give for a key that is too large.
// User functions iterate them as often as they like. Where they leave the task they become an array, if that fits; the codec
// asks for it here, before it looks at what it encodes, and pays one look at a flag where there are none.

export abstract class StoredValues implements Iterable<unknown> {
  /** Whether this thread has made any: what cannot be there need not be looked for. */
  static any = false;

  constructor() {
    StoredValues.any = true;
  }

  /** Estimated, of all values. */
  abstract get bytes(): number;
  abstract [Symbol.iterator](): Iterator<unknown>;
  /** All values; throws GROUP_TOO_LARGE when they do not fit. */
  abstract toArray(): unknown[];

  toJSON(): unknown[] {
    return this.toArray();
  }
}

/** Containers inside a record that are looked into. */
const MAX_DEPTH = 4;

/** The same values, with arrays in the place of stored ones. */
export function unstored(values: ArrayLike<unknown>, start: number, end: number): ArrayLike<unknown> {
  if (!StoredValues.any || values instanceof Float64Array) return values;
  let changed: unknown[] | null = null;
  for (let i = start; i < end; i++) {
    const value = values[i];
    const plain = replace(value, 0);
    if (plain === value) continue;
    changed ??= Array.from(values);
    changed[i] = plain;
  }
  return changed ?? values;
}

function replace(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof StoredValues) return value.toArray();
  if (depth === MAX_DEPTH) return value;
  if (Array.isArray(value)) return replaceIn(value, [...value.keys()], depth, (list) => [...list]);
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return replaceIn(value as Record<string, unknown>, Object.keys(value), depth, (object) => ({ ...object }));
}

function replaceIn<T extends object>(container: T, names: readonly PropertyKey[], depth: number, copy: (c: T) => T): T {
  let changed: T | null = null;
  for (const name of names) {
    const member = (container as Record<PropertyKey, unknown>)[name];
    const plain = replace(member, depth + 1);
    if (plain === member) continue;
    changed ??= copy(container);
    (changed as Record<PropertyKey, unknown>)[name] = plain;
  }
  return changed ?? container;
}
