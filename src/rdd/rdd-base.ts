// What every RDD has beside its operations: its node and session, its name, whether it is cached, and how a method finds the
// place in the user's program that called it.

import { formatCallSite } from "../plan/function.js";
import type { StorageLevel } from "../plan/lineage.js";
import { requireText } from "../session/arguments.js";
import type { DriverSession } from "../session/driver-session.js";
import type { AnyFunction } from "../session/function-capture.js";
import type { NodeHandle } from "../session/lineage-store.js";
import { driverOnly } from "../session/travelling.js";
import { type Dataset, datasetNode, datasetSession, Operand } from "./operand.js";
import { debugString } from "./operations/debug-string.js";
import { type KeyPartitioner, partitionerOf } from "./partitioner.js";
import { keptLevel, type PersistLevel } from "./storage-levels.js";

const inspectByNode: unique symbol = Symbol.for("nodejs.util.inspect.custom");
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
   * @param level default "MEMORY_ONLY": what finds no room is computed again; "MEMORY_AND_DISK" puts it on disk. Spark's _SER
   *   levels and OFF_HEAP mean the same, because a cached partition is encoded and outside the heap on any level; replicated
   *   levels (_2, _3) are refused with INVALID_ARGUMENT, which says what to use
   */
  persist(level: PersistLevel = "MEMORY_ONLY"): this {
    const kept = keptLevel("persist", level);
    this.at("persist");
    const handle = this[datasetNode];
    // The blocks of a cut lineage cannot be computed again: they must not go where memory is short.
    const last = handle.checkpoint !== null && handle.checkpoint.url === null;
    this[datasetSession].persist(handle, last && kept === "MEMORY_ONLY" ? "MEMORY_AND_DISK" : kept);
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

  /** The level that `persist` has set, "NONE" without: what the partitions are kept as, so "MEMORY_ONLY" for "MEMORY_ONLY_SER". */
  get storageLevel(): StorageLevel {
    return this[datasetNode].storage;
  }

  /** Spark's name for `storageLevel`. E.g. `if (lines.getStorageLevel() === "NONE") lines.persist()`. */
  getStorageLevel(): StorageLevel {
    return this.storageLevel;
  }

  /**
   * Marks this RDD to be written to files below the session's checkpoint directory, and its lineage to be cut: it is a source
   * then, whatever becomes of the workers that made it. The next action that needs the RDD writes it first, in a job of its own,
   * and reads what was written, so that functions run once (in Spark twice, unless the RDD is cached). Attempts write aside
   * and the files appear by a rename; a job that fails leaves nothing and rejects the action, and the next action tries again.
   * The files stay when the session ends; remove the directory yourself.
   *
   * ```ts
   * session.setCheckpointDir("/shared/checkpoints");
   * let ranks = sales;
   * for (let i = 1; i <= 100; i++) {
   *   ranks = ranks.join(counts).mapValues(([rank, count]) => rank / count);
   *   if (i % 10 === 0) ranks.checkpoint();
   * }
   * ```
   *
   * Throws NO_CHECKPOINT_DIR. Actions on it reject with CHECKPOINT_LOST when its files were removed.
   */
  checkpoint(): void {
    const at = this.at("checkpoint");
    this[datasetSession].checkpoints.mark(this[datasetNode], true, at.callSite, at.callerStack);
  }

  /**
   * As `checkpoint`, but the cached partitions are all that is kept: nothing is written to shared files, and a block that is lost
   * with its worker cannot be computed again. Actions reject with JOB_FAILED and the cause CHECKPOINT_LOST then. Persists the
   * RDD, on "MEMORY_AND_DISK" unless on "DISK_ONLY" already. Gives this same RDD.
   * E.g. `const ranks = sales.mapValues((rank) => rank * 0.85).localCheckpoint()`.
   */
  localCheckpoint(): this {
    const at = this.at("localCheckpoint");
    const handle = this[datasetNode];
    this[datasetSession].checkpoints.mark(handle, false, at.callSite, at.callerStack);
    if (handle.checkpoint?.url === null && handle.storage !== "DISK_ONLY")
      this[datasetSession].persist(handle, "MEMORY_AND_DISK");
    return this;
  }

  /** Whether the lineage has been cut at this RDD, by either kind of checkpoint. */
  get isCheckpointed(): boolean {
    return this[datasetNode].checkpoint?.done === true;
  }

  /** The directory of this RDD's checkpoint, a URL, once it is written; null before, and for a local one. E.g. `const url = counts.getCheckpointFile()`. */
  getCheckpointFile(): string | null {
    const { checkpoint } = this[datasetNode];
    return checkpoint?.done === true ? checkpoint.url : null;
  }

  /**
   * How the records are placed by their keys, as far as that is known; null otherwise. Given to another operation it says "as
   * these", so that no shuffle moves what lies right already:
   *
   * ```ts
   * const sorted = sales.sortByKey();
   * const joined = sorted.join(names, sorted.partitioner!);   // moves `names` only
   * ```
   */
  get partitioner(): KeyPartitioner | null {
    return partitionerOf(this[datasetNode], this[datasetSession]);
  }

  /**
   * The lineage as Spark prints it: what made this RDD, downwards; `(n)` partitions where a stage begins, `+-` at a shuffle,
   * the storage level in brackets. An RDD that comes twice has what is below it printed once. Asks the master for the
   * partitions of files, as numPartitions does; starts no job. E.g. `console.log(await counts.toDebugString())`:
   *
   * ```
   * (4) ShuffledRDD[3] at reduceByKey at counts.ts:9:4 []
   *  +-(4) MapPartitionsRDD[2] at map at counts.ts:8:4 [Memory Serialized 1x Replicated]
   *     |  ParallelCollectionRDD[1] at parallelize at counts.ts:7:4 []
   * ```
   */
  toDebugString(): Promise<string> {
    return debugString(this.at("toDebugString"));
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

  /** Spark's name for `numPartitions`. E.g. `console.log(await lines.getNumPartitions())`. */
  getNumPartitions(): Promise<number> {
    return this.numPartitions();
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
