// How many bytes a record will take encoded, roughly, from the record alone: the same on every master and in every run,
// because batches are cut by it. Cheap: it looks at no more than a few parts of large containers.

import { StoredValues } from "./stored-values.js";

/** A batch ends at so many rows, or when its records' estimates reach so many bytes. */
export const MAX_BATCH_ROWS = 65_536;
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** Elements of a container that are looked at; the rest count as their average. */
export const SAMPLE = 16;
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
  if (Array.isArray(value)) return 4 + estimateList(value, depth);
  if (ArrayBuffer.isView(value)) return 8 + value.byteLength;
  if (value instanceof Map) {
    const entries = firstOf(value);
    return 16 + estimateList(entries, depth) * (value.size / Math.max(1, entries.length));
  }
  if (value instanceof Set) {
    const members = firstOf(value);
    return 16 + estimateList(members, depth) * (value.size / Math.max(1, members.length));
  }
  if (depth >= MAX_DEPTH) return 16;
  if (StoredValues.any && value instanceof StoredValues) return value.bytes;
  let bytes = 4;
  for (const name of Object.keys(value)) bytes += estimate((value as Record<string, unknown>)[name], depth + 1);
  return bytes;
}

function estimateList(list: readonly unknown[], depth: number): number {
  const count = list.length;
  if (depth >= MAX_DEPTH) return count * 16;
  let bytes = 0;
  if (count <= SAMPLE) {
    for (let i = 0; i < count; i++) bytes += estimate(list[i], depth + 1);
    return bytes;
  }
  // Spread over the list, always the same places.
  for (let i = 0; i < SAMPLE; i++) bytes += estimate(list[Math.floor((i * count) / SAMPLE)], depth + 1);
  return Math.ceil((bytes / SAMPLE) * count);
}

/** The elements that are looked at of a container without places. */
export function firstOf(values: Iterable<unknown>): unknown[] {
  const first: unknown[] = [];
  for (const value of values) {
    first.push(value);
    if (first.length === SAMPLE) break;
  }
  return first;
}
