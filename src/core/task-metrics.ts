// What one attempt of a task did, as Spark names it (StageData of its REST API), in one flat record: workers report it, the
// master sums it, the event log keeps it. Bytes are bytes and times milliseconds, also where Spark has nanoseconds.

/** What tasks did: of an attempt in the event log, summed in `session.lastJob` and its stages. Bytes are bytes, times milliseconds. */
export interface TaskMetrics {
  /** From taking the attempt up in its slot until its result is there. Waiting for blocks is in it, waiting for a slot not. */
  readonly executorRunTime: number;
  /**
   * CPU time of the slot's thread since its attempt before: this attempt and receiving it. Compilers and collectors that run on
   * threads of their own are not in it. Exact in sums; of one attempt to some milliseconds (Linux counts at scheduler ticks). 0
   * where the system does not tell it by thread.
   */
  readonly executorCpuTime: number;
  /** Spark's jvmGcTime: the slot stood still so long for its garbage. That of attempts under 2 ms may count for a later one. */
  readonly gcTime: number;
  /** Encoded result that goes to the driver or to a later stage as a value; 0 for map outputs and files. */
  readonly resultSize: number;
  /** Size in memory, as estimated, of what operators put on disk for want of memory. */
  readonly memoryBytesSpilled: number;
  /** The same as it was written. */
  readonly diskBytesSpilled: number;
  /** Most that operators had reserved at once. What functions of the program hold is not in it. */
  readonly peakExecutionMemory: number;
  /** Of files, collections, ranges and cached partitions. */
  readonly inputRecords: number;
  /** Taken from storage or cache; 0 for ranges and collections. */
  readonly inputBytes: number;
  /** Written to files by saveAs... */
  readonly outputRecords: number;
  /** The same in bytes, as stored. */
  readonly outputBytes: number;
  /** Taken in from map outputs. */
  readonly shuffleReadRecords: number;
  /** Blocks that were read from files of this machine, its neighbours' included. Empty ones do not count. */
  readonly shuffleLocalBlocksFetched: number;
  /** Blocks that came from other workers' servers. Empty ones do not count. */
  readonly shuffleRemoteBlocksFetched: number;
  /** Of the blocks that were read from files, as stored. */
  readonly shuffleLocalBytesRead: number;
  /** Of the blocks that came from other workers, as stored. */
  readonly shuffleRemoteBytesRead: number;
  /** The slot had nothing to do but wait for blocks of other workers. */
  readonly shuffleFetchWaitTime: number;
  /** Written to map outputs, after combining. */
  readonly shuffleWriteRecords: number;
  /** The same in bytes, as stored. */
  readonly shuffleWriteBytes: number;
  /** In which map outputs were merged and written. */
  readonly shuffleWriteTime: number;
}

export type MutableMetrics = { -readonly [K in keyof TaskMetrics]: number };

/** Of an attempt that did nothing. */
export const noMetrics: TaskMetrics = {
  executorRunTime: 0,
  executorCpuTime: 0,
  gcTime: 0,
  resultSize: 0,
  memoryBytesSpilled: 0,
  diskBytesSpilled: 0,
  peakExecutionMemory: 0,
  inputRecords: 0,
  inputBytes: 0,
  outputRecords: 0,
  outputBytes: 0,
  shuffleReadRecords: 0,
  shuffleLocalBlocksFetched: 0,
  shuffleRemoteBlocksFetched: 0,
  shuffleLocalBytesRead: 0,
  shuffleRemoteBytesRead: 0,
  shuffleFetchWaitTime: 0,
  shuffleWriteRecords: 0,
  shuffleWriteBytes: 0,
  shuffleWriteTime: 0,
};

export const metricNames = Object.keys(noMetrics) as readonly (keyof TaskMetrics)[];

/** Adds what another attempt did; of the peaks the larger one stays. Written out: it runs once a task in the master. */
export function addMetrics(sum: MutableMetrics, one: TaskMetrics): void {
  sum.executorRunTime += one.executorRunTime;
  sum.executorCpuTime += one.executorCpuTime;
  sum.gcTime += one.gcTime;
  sum.resultSize += one.resultSize;
  sum.memoryBytesSpilled += one.memoryBytesSpilled;
  sum.diskBytesSpilled += one.diskBytesSpilled;
  if (one.peakExecutionMemory > sum.peakExecutionMemory) sum.peakExecutionMemory = one.peakExecutionMemory;
  sum.inputRecords += one.inputRecords;
  sum.inputBytes += one.inputBytes;
  sum.outputRecords += one.outputRecords;
  sum.outputBytes += one.outputBytes;
  sum.shuffleReadRecords += one.shuffleReadRecords;
  sum.shuffleLocalBlocksFetched += one.shuffleLocalBlocksFetched;
  sum.shuffleRemoteBlocksFetched += one.shuffleRemoteBlocksFetched;
  sum.shuffleLocalBytesRead += one.shuffleLocalBytesRead;
  sum.shuffleRemoteBytesRead += one.shuffleRemoteBytesRead;
  sum.shuffleFetchWaitTime += one.shuffleFetchWaitTime;
  sum.shuffleWriteRecords += one.shuffleWriteRecords;
  sum.shuffleWriteBytes += one.shuffleWriteBytes;
  sum.shuffleWriteTime += one.shuffleWriteTime;
}

/** Records that were taken in, wherever from. */
export function recordsReadIn(metrics: TaskMetrics): number {
  return metrics.inputRecords + metrics.shuffleReadRecords;
}

export function shuffleBytesReadIn(metrics: TaskMetrics): number {
  return metrics.shuffleLocalBytesRead + metrics.shuffleRemoteBytesRead;
}
