// Plain data with bytes in it (lineage nodes, fragments, outcomes) as one byte string: JSON with every Uint8Array taken
// out and put behind it. Layout: u32 length of the JSON, the JSON in UTF-8, then the byte strings one after the other;
// a byte string stands in the JSON as {"$bytes": [offset, length]} relative to the end of the JSON. undefined members vanish.

import { MillraceError } from "./errors.js";

export type Packable =
  | string
  | number
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly Packable[]
  | { readonly [key: string]: Packable };

export function pack(value: unknown): Uint8Array {
  const parts: Uint8Array[] = [];
  let offset = 0;
  const json = JSON.stringify(value, function (this: Record<string, unknown>, key, plain) {
    // Buffer has a toJSON, so the holder's own value is looked at, not the argument.
    const raw = this[key];
    if (raw instanceof Uint8Array) {
      parts.push(raw);
      offset += raw.byteLength;
      return { $bytes: [offset - raw.byteLength, raw.byteLength] };
    }
    return plain;
  });
  const head = Buffer.byteLength(json, "utf8");
  const out = Buffer.allocUnsafe(4 + head + offset);
  out.writeUInt32LE(head, 0);
  out.write(json, 4, "utf8");
  let at = 4 + head;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

/** The inverse of `pack`. Byte strings are views into `bytes`. */
export function unpack<T>(bytes: Uint8Array): T {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = buffer.byteLength < 4 ? -1 : buffer.readUInt32LE(0);
  if (head < 0 || 4 + head > buffer.byteLength) {
    throw new MillraceError("PROTOCOL_ERROR", `packed data of ${bytes.byteLength} bytes is cut short`);
  }
  const base = 4 + head;
  return JSON.parse(buffer.toString("utf8", 4, base), (_key, value) => {
    if (typeof value === "object" && value !== null && Array.isArray(value.$bytes)) {
      const [offset, length] = value.$bytes as [number, number];
      if (base + offset + length > bytes.byteLength) {
        throw new MillraceError("PROTOCOL_ERROR", "packed data names bytes beyond its end");
      }
      return bytes.subarray(base + offset, base + offset + length);
    }
    return value;
  }) as T;
}
