// How many bytes a record will take encoded, roughly, from the record alone: the same on every master and in every run,
// because batches are cut by it. Cheap: it looks at no more than a few parts of large containers.

/** A batch ends at so many rows, or when its records' estimates reach so many bytes. */
export const MAX_BATCH_ROWS = 65_536;
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** Elements of a container that are looked at; the rest count as their average. */
const SAMPLE = 16;
const MAX_DEPTH = 4;

export function estimateBytes(record: unknown): number {
  return estimate(record, 0);
}

function estimate(value: unknown, depth: number): number {
  switch (typeof value) {
    case "string":
      return 4 + value.length;
    case "number":
      return 8;
    case "object":
      return value === null ? 1 : estimateObject(value, depth);
    case "bigint":
      return 8;
    default:
      return 1;
  }
}

function estimateObject(value: object, depth: number): number {
  if (Array.isArray(value)) {
    return 4 + estimateMany(value.length, depth, (i) => value[i]);
  }
  if (ArrayBuffer.isView(value)) return 8 + value.byteLength;
  if (value instanceof Map) {
    const entries = firstOf(value);
    return 16 + (value.size / Math.max(1, entries.length)) * estimateMany(entries.length, depth, (i) => entries[i]);
  }
  if (value instanceof Set) {
    const members = firstOf(value);
    return 16 + (value.size / Math.max(1, members.length)) * estimateMany(members.length, depth, (i) => members[i]);
  }
  const names = Object.keys(value);
  return 4 + estimateMany(names.length, depth, (i) => (value as Record<string, unknown>)[names[i]!]);
}

function estimateMany(count: number, depth: number, at: (i: number) => unknown): number {
  if (count === 0) return 0;
  if (depth >= MAX_DEPTH) return count * 16;
  const looked = Math.min(count, SAMPLE);
  // Spread over the container, always the same places.
  const step = count / looked;
  let bytes = 0;
  for (let i = 0; i < looked; i++) bytes += estimate(at(Math.floor(i * step)), depth + 1);
  return Math.ceil((bytes / looked) * count);
}

function firstOf(values: Iterable<unknown>): unknown[] {
  const first: unknown[] = [];
  for (const value of values) {
    first.push(value);
    if (first.length === SAMPLE) break;
  }
  return first;
}
