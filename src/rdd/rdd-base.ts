// What every RDD has beside its operations: its node and session, its name, whether it is cached, and how a method finds the
// place in the user's program that called it.

import { formatCallSite } from "../plan/function.js";
import type { StorageLevel } from "../plan/lineage.js";
import { invalidArgument, requireText } from "../session/arguments.js";
import type { DriverSession } from "../session/driver-session.js";
import type { AnyFunction } from "../session/function-capture.js";
import type { NodeHandle } from "../session/lineage-store.js";
import { driverOnly } from "../session/travelling.js";
import { type Dataset, datasetNode, datasetSession, Operand } from "./operand.js";

const inspectByNode: unique symbol = Symbol.for("nodejs.util.inspect.custom");
const storageLevels: readonly StorageLevel[] = ["NONE", "MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"];

export class RddBase implements Dataset {
  /** @hidden */
  readonly [datasetSession]: DriverSession;
  /** @hidden */
  readonly [datasetNode]: NodeHandle;
  /** @hidden */
  readonly [driverOnly] = "RDD";

  /** Made by a Session's sources and by transformations, not by users. @hidden */
  constructor(session: DriverSession, node: NodeHandle) {
    this[datasetSession] = session;
    this[datasetNode] = node;
  }

  /**
   * Keeps the computed partitions on the workers when an action first computes them. Gives this same RDD. The level may be
   * changed at any time (in Spark it may not).
   *
   * ```ts
   * const parsed = lines.map((line) => JSON.parse(line)).persist("MEMORY_AND_DISK");
   * ```
   *
   * @param level default "MEMORY_ONLY": what finds no room is computed again; "MEMORY_AND_DISK" puts it on disk
   */
  persist(level: Exclude<StorageLevel, "NONE"> = "MEMORY_ONLY"): this {
    if (!storageLevels.includes(level) || (level as StorageLevel) === "NONE") {
      throw invalidArgument("persist", "level", '"MEMORY_ONLY", "MEMORY_AND_DISK" or "DISK_ONLY"', level);
    }
    this.at("persist");
    this[datasetSession].persist(this[datasetNode], level);
    return this;
  }

  /** persist("MEMORY_ONLY"). */
  cache(): this {
    return this.persist();
  }

  /** Drops the cached partitions. Gives this same RDD. */
  unpersist(): this {
    this[datasetSession].persist(this[datasetNode], "NONE");
    return this;
  }

  /** "NONE" unless persisted. */
  get storageLevel(): StorageLevel {
    return this[datasetNode].storage;
  }

  /** A name for `millrace status`, messages and `toString`. Gives this same RDD. */
  setName(name: string): this {
    this[datasetSession].rename(this[datasetNode], requireText("setName", "name", name));
    return this;
  }

  /** What `setName` gave; null: nothing. */
  get name(): string | null {
    return this[datasetNode].name;
  }

  /** The number of partitions that actions will have, resolved by the master: it looks at files but starts no job. */
  numPartitions(): Promise<number> {
    return this[datasetSession].countPartitions(this[datasetNode]);
  }

  /** `RDD 3, map at counts.ts:9:4`, with its name if it has one. */
  toString(): string {
    const { node, name } = this[datasetNode];
    return `RDD ${node.id}${name === null ? "" : ` "${name}"`}, ${formatCallSite(node.callSite)}`;
  }

  [inspectByNode](): string {
    return this.toString();
  }

  /** This RDD at a call of the public method `method`, which is on the stack. */
  protected at(method: string): Operand {
    const entry = (this as unknown as Record<string, AnyFunction>)[method] as AnyFunction;
    return new Operand(this[datasetSession], this[datasetNode], method, entry);
  }
}
