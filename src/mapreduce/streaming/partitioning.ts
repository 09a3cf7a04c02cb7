// To which reducer a key goes: by Hadoop's own hashes, so that a key is in the part file where Hadoop would put it.

import { type KeyField, partOf } from "./key-fields.js";

export type StreamingPartitioner =
  /** Of the key's bytes: HashPartitioner over Text. */
  | { readonly kind: "hash" }
  /** Of the fields' bytes; without fields of the key as a Java string. */
  | { readonly kind: "keyFields"; readonly fields: readonly KeyField[]; readonly separator: string };

/** `key`: a character for each byte. */
export function reducerOf(key: string, partitioner: StreamingPartitioner, reducers: number): number {
  return (hashOf(key, partitioner) & 0x7fffffff) % reducers;
}

function hashOf(key: string, partitioner: StreamingPartitioner): number {
  if (partitioner.kind === "hash") return hashBytes(key, 1);
  const { fields, separator } = partitioner;
  if (fields.length === 0) return hashString(Buffer.from(key, "latin1").toString("utf8"));
  if (key === "") return 0;
  let hash = 0;
  for (const field of fields) hash = hashBytes(partOf(key, field, separator) ?? "", hash);
  return hash;
}

/** Java's bytes are signed. */
function hashBytes(bytes: string, start: number): number {
  let hash = start;
  for (let i = 0; i < bytes.length; i++) hash = (Math.imul(31, hash) + ((bytes.charCodeAt(i) << 24) >> 24)) | 0;
  return hash;
}

function hashString(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}
