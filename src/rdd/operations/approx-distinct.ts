// countApproxDistinct: HyperLogLog (Flajolet, Fusy, Gandouet and Meunier, 2007) over the hash that keys have everywhere. Small
// counts by linear counting, counts near 2^32 corrected for collisions of the 32-bit hash.

import { hashKey } from "../../codec/keys.js";
import { invalidArgument } from "../../session/arguments.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";
import type { Partitioning } from "../partitioner.js";
import { aggregateByKey } from "./combine.js";
import { aggregate } from "./fold.js";
import { mapValues } from "./map-values.js";
import type { ActionOptions } from "./run-action.js";

const MIN_BITS = 4;
const MAX_BITS = 16;

/** `relativeSD`: the standard deviation of the error, as a share of the count. */
export async function countApproxDistinct(
  at: Operand,
  relativeSD: unknown,
  options: ActionOptions | undefined,
): Promise<number> {
  const bits = bitsFor(at, relativeSD);
  const registers = await aggregate(at, new Uint8Array(1 << bits), observer(bits), greater, options);
  return rounded(registers as Uint8Array);
}

/** [key, about how many different values it has]. */
export function countApproxDistinctByKey<K>(
  at: Operand,
  relativeSD: unknown,
  partitions: Partitioning<K> | undefined,
): NodeHandle {
  const bits = bitsFor(at, relativeSD);
  const observed = aggregateByKey(at, new Uint8Array(1 << bits), observer(bits), greater, partitions);
  return mapValues(at.on(observed), rounded);
}

function bitsFor(at: Operand, relativeSD: unknown): number {
  const error = relativeSD === undefined ? 0.05 : relativeSD;
  if (typeof error !== "number" || !(error >= 0.0041 && error <= 0.3))
    throw invalidArgument(at.method, "relativeSD", "a number from 0.0041 to 0.3", relativeSD);
  // The standard error is 1.04 / sqrt(registers).
  return Math.min(MAX_BITS, Math.max(MIN_BITS, Math.ceil(2 * Math.log2(1.04 / error))));
}

function rounded(registers: Uint8Array): number {
  return Math.round(estimate(registers));
}

function observer(bits: number) {
  return (registers: Uint8Array, record: unknown): Uint8Array => {
    // Mixed once more: the hash of small integers has its entropy in few bits.
    let hash = hashKey(record);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
    const at = hash >>> (32 - bits);
    const rank = Math.min(Math.clz32(hash << bits), 32 - bits) + 1;
    if (rank > (registers[at] as number)) registers[at] = rank;
    return registers;
  };
}

function greater(left: Uint8Array, right: Uint8Array): Uint8Array {
  return left.map((rank, i) => Math.max(rank, right[i] as number));
}

function estimate(registers: Uint8Array): number {
  const m = registers.length;
  const alpha = m === 16 ? 0.673 : m === 32 ? 0.697 : m === 64 ? 0.709 : 0.7213 / (1 + 1.079 / m);
  let sum = 0;
  let empty = 0;
  for (const rank of registers) {
    sum += 2 ** -rank;
    if (rank === 0) empty++;
  }
  const raw = (alpha * m * m) / sum;
  if (raw <= 2.5 * m && empty > 0) return m * Math.log(m / empty);
  const hashes = 2 ** 32;
  return raw <= hashes / 30 ? raw : -hashes * Math.log1p(-raw / hashes);
}
