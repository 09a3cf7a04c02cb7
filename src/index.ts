// The public face of millrace, and the one place where a session is wired to its parts: options, capturing, the service
// thread that holds its master, and for master `local` the slot on the calling thread.

import { hostname, release } from "node:os";
import { dirname } from "node:path";
import { Capturer, callSite, mapStack } from "./closure/index.js";
import { parseMasterUrl } from "./core/master-url.js";
import { type GivenOptions, type OptionValues, resolveOptions, toPortableOptions } from "./core/options.js";
import { version } from "./core/version.js";
import { type MapReduceResult, type MapReduceSpec, runMapReduce } from "./mapreduce/job.js";
import { runStreaming, type StreamingJob, type StreamingResult } from "./mapreduce/streaming/job.js";
import { RddSession } from "./rdd/session.js";
import { decodeMasterToDriver, encodeDriverMessage } from "./rpc/index.js";
import { DriverSession } from "./session/driver-session.js";
import { ServiceLink } from "./session/service-thread/link.js";
import { referenceOf } from "./session/travelling.js";
import { SlotHost } from "./worker/slot/host.js";
import type { SlotInit, SlotRun } from "./worker/slot/messages.js";
import { SystemThreadMeter } from "./worker/slot/thread-meter.js";

export {
  type ErrorCode,
  type ErrorDetails,
  type ErrorFields,
  type FieldValue,
  isMillraceError,
  MillraceError,
} from "./core/errors.js";
export type { JobId, SessionId, StageId } from "./core/ids.js";
export type { GivenOptions, OptionName, OptionValues } from "./core/options.js";
export type { PoolDefinition, PoolDefinitions, SchedulingMode } from "./core/scheduler-pools.js";
export type { TaskMetrics } from "./core/task-metrics.js";
export type { AccumulatorKind, Distribution, NamedValue, UserMetricKind } from "./core/user-metrics.js";
export { version } from "./core/version.js";
export type { Counter, InputSplit, TaskContext } from "./mapreduce/contexts.js";
export type { Counters } from "./mapreduce/counters.js";
export type { Mapper, MapReduceResult, MapReduceSpec, Reducer } from "./mapreduce/job.js";
export type { StreamingCommand } from "./mapreduce/streaming/commands.js";
export type { StreamingJob, StreamingResult } from "./mapreduce/streaming/job.js";
export type { CallSite } from "./plan/function.js";
export type { BatchColumnKind, StorageLevel } from "./plan/lineage.js";
export type { StageKind } from "./plan/stages.js";
export type { JobSummary, JobTraits, StageProgress, StageSummary } from "./protocol/driver.js";
export { formatSkew, type SkewFinding } from "./protocol/skew.js";
export type { MapBatchesOptions } from "./rdd/operations/map-batches.js";
export type { PipeOptions } from "./rdd/operations/pipe.js";
export type { ActionOptions } from "./rdd/operations/run-action.js";
export type { TextFileOptions } from "./rdd/operations/save-as-files.js";
export type { Histogram } from "./rdd/operations/statistics.js";
export {
  type CustomPartitioner,
  hashPartitioner,
  type KeyPartitioner,
  type Partitioning,
  rangePartitioner,
} from "./rdd/partitioner.js";
export { type BatchResult, type MaybePromiseOf, type Pair, type PartitionResultOf, RDD } from "./rdd/rdd.js";
export type { JobGroupOptions } from "./rdd/session-jobs.js";
export { StatCounter } from "./rdd/statistics.js";
export type { PersistLevel } from "./rdd/storage-levels.js";
export type { TextReadOptions } from "./rdd/text-read-options.js";
export { Accumulator, type AccumulatorDefinition } from "./session/accumulator.js";
export { Broadcast } from "./session/broadcast.js";
export type { SessionStatistics } from "./session/driver-session.js";
export type { JobEnd } from "./session/job-client.js";
export type { TaskLog } from "./session/task-log.js";
export { CounterMetric, HistogramMetric, TimerMetric } from "./session/user-metrics.js";

/** How long a master, or the start of local workers, may take. */
const OPEN_TIMEOUT_MS = 60_000;

/** Any option by its name; `master` and `appName` are two of them. `millrace config` lists all with their defaults. */
export type SessionOptions = GivenOptions;

/**
 * A connection to a master, and the place where RDDs begin. A process may have many sessions; they share nothing.
 *
 * ```ts
 * const session = await Session.open({ master: "local[2]", appName: "counts" });
 * const counts = session.textFile("logs/*.txt")
 *   .flatMap((line) => line.split(/\s+/))
 *   .map((word) => [word, 1])
 *   .reduceByKey((a, b) => a + b);
 * console.log(await counts.top(10, ([, n]) => n));
 * await session.stop();
 * ```
 */
export class Session extends RddSession {
  private constructor(driver: DriverSession) {
    super(driver);
  }

  /**
   * Opens a session. Options given here beat MILLRACE_* variables, those beat millrace.json beside the program.
   *
   * `master`: "local" runs tasks on the calling thread (breakpoints work), "local[N]" and "local[*]" in N threads or one a
   * core, "local-cluster[workers,slots,memory]" in processes that end with the session, "millrace://host:port" on a running
   * master. Default: MILLRACE_MASTER, else "local[*]".
   *
   * Rejects with UNKNOWN_OPTION, INVALID_OPTION, INVALID_MASTER_URL, MASTER_UNREACHABLE, NOT_A_MASTER, VERSION_MISMATCH,
   * AUTHENTICATION_FAILED, TLS_FAILED or TIMEOUT (60 s).
   * E.g. `const local = await Session.open({ master: "local[4]", memory: "4g", "task.maxFailures": 2 })`.
   */
  static async open(options: SessionOptions = {}): Promise<Session> {
    const programDirectory = process.argv[1] === undefined ? process.cwd() : dirname(process.argv[1]);
    const { values } = resolveOptions({ given: options, environment: process.env, programDirectory });
    const master = parseMasterUrl(values.master);
    // Workers of this machine resolve packages as this program does.
    const capture = new Capturer({ reference: referenceOf, bundlePackages: master.kind === "remote" });
    const entry = (name: string) => new URL(`./${name}.js`, import.meta.url);
    const link = new ServiceLink(
      entry("service"),
      {
        master: values.master,
        options: ownOptions(values),
        entries: { slot: entry("slot").href, worker: entry("worker").href },
        moduleRoot: programDirectory,
      },
      { encode: encodeDriverMessage, decode: decodeMasterToDriver },
      master.kind === "local" ? callingThreadSlot() : null,
    );
    const opening = DriverSession.open({
      link,
      capture,
      positions: { callSite, mapStack },
      settings: {
        appName: values.appName,
        options: toPortableOptions(values),
        workingDirectory: process.cwd(),
        version,
        environment: environmentOfDriver(),
      },
      openTimeoutMs: OPEN_TIMEOUT_MS,
    });
    // While the service thread starts.
    Capturer.warmUp();
    return new Session(await opening);
  }

  /**
   * A map/reduce job as Hadoop's users know it: read, map, combine, partition, sort, group, reduce, write.
   *
   * ```ts
   * const { counters } = await session.mapReduce({
   *   input: "books/*.txt",
   *   map: (line: string, context) => {
   *     for (const word of line.split(/\s+/)) context.write(word, 1);
   *   },
   *   combine: (word, counts, context) => context.write(word, sum(counts)),
   *   reduce: (word, counts, context) => context.write(word, sum(counts)),
   *   output: "out/counts",
   * });
   * ```
   *
   * Rejects as actions do; INVALID_ARGUMENT for a job that cannot be, PATH_NOT_FOUND for a side file, OUTPUT_EXISTS.
   */
  mapReduce<T = string, K1 = string, V1 = number, K2 = K1, V2 = V1>(
    job: MapReduceSpec<T, K1, V1, K2, V2>,
  ): Promise<MapReduceResult<K2, V2>> {
    return runMapReduce(this, job);
  }

  /**
   * A map/reduce job whose mapper and reducer are commands of the system, as Hadoop streaming runs them: lines in and out,
   * a tab between key and value, the reducer's input sorted by key. `millrace streaming` takes Hadoop's own arguments.
   *
   * ```ts
   * const { counters } = await session.streaming({
   *   input: "books/*.txt",
   *   mapper: `awk '{ for (i = 1; i <= NF; i++) print $i "\\t1" }'`,
   *   reducer: "python3 sum.py",
   *   files: ["sum.py"],
   *   output: "out/counts",
   * });
   * ```
   *
   * Rejects with INVALID_ARGUMENT, PATH_NOT_FOUND, OUTPUT_EXISTS, and JOB_FAILED whose cause is COMMAND_FAILED (exit code and
   * last words of a command) or TIMEOUT.
   */
  streaming(job: StreamingJob): Promise<StreamingResult> {
    return runStreaming(this, job);
  }
}

/** For the service thread, which is of this machine and process: the options that do not travel are among them. */
function ownOptions(values: OptionValues): Record<string, string | number | boolean> {
  const own: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(values))
    if (value !== null) own[name] = typeof value === "object" ? JSON.stringify(value) : value;
  return own;
}

function environmentOfDriver(): Record<string, string> {
  const { platform, arch, version: node, pid, argv } = process;
  return {
    node,
    system: `${platform} ${arch} ${release()}`,
    host: hostname(),
    pid: String(pid),
    program: argv[1] ?? "",
  };
}

function callingThreadSlot(): (call: unknown) => Promise<unknown> {
  const host = new SlotHost(false, new SystemThreadMeter(false));
  return (call) => host.call(call as SlotRun | SlotInit);
}
