// What every codec here shares: checks that a received message has what the protocol promises (and names what is missing),
// and string unions as protobuf enums. proto3 cannot tell an absent string from an empty one; ours are never empty.

import { MillraceError } from "../../core/errors.js";

/** `value`, or PROTOCOL_ERROR that names the field, as in "TaskLaunch.key is missing". */
export function required<T>(value: T | null | undefined, field: string): T {
  if (value === null || value === undefined) throw malformed(`${field} is missing`);
  return value;
}

export function requiredText(value: string | null | undefined, field: string): string {
  if (value === null || value === undefined || value === "") throw malformed(`${field} is missing`);
  return value;
}

export function malformed(what: string, cause?: unknown): MillraceError {
  return new MillraceError("PROTOCOL_ERROR", `a message cannot be read: ${what}`, {
    fields: { what },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Runs a decoder on bytes of a peer; whatever it throws becomes PROTOCOL_ERROR. */
export function decodeWith<M, T>(
  message: string,
  bytes: Uint8Array,
  decode: (b: Uint8Array) => M,
  from: (m: M) => T,
): T {
  try {
    // A Buffer makes protobufjs read strings natively.
    return from(decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw malformed(`${message} of ${bytes.byteLength} bytes`, error);
  }
}

/** Received bytes as a plain view: a Buffer's toJSON and slice differ from what callers expect of a Uint8Array. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export interface EnumMapping<S extends string> {
  readonly to: Readonly<Record<S, number>>;
  from(value: number | null | undefined, field: string): S;
}

/** A union and its protobuf numbers; the compiler keeps the table complete. */
export function enumMapping<S extends string>(to: Readonly<Record<S, number>>): EnumMapping<S> {
  const names = new Map(Object.entries<number>(to).map(([name, value]) => [value, name as S]));
  return {
    to,
    from(value, field) {
      const name = value === null || value === undefined ? undefined : names.get(value);
      if (name === undefined) throw malformed(`${field} has no known value (${value})`);
      return name;
    },
  };
}

/** Generated types ask for arrays that they do not change. */
export function mutable<T>(list: readonly T[]): T[] {
  return list as T[];
}
