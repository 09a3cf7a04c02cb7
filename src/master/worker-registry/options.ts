// Slice of the master's options that decides when a worker counts as lost. All in milliseconds.

export interface WorkerRegistryOptions {
  /** Without any message for so long a connected worker is lost. */
  readonly heartbeatTimeoutMs: number;
  /** A worker whose stream broke has so long to come back before its attempts and outputs are given up. */
  readonly reconnectMs: number;
  /** What workers are told: beat so often. */
  readonly heartbeatMs: number;
  /** Nothing is queued on a worker behind an attempt that was launched so long ago; what is queued goes elsewhere. */
  readonly stalledMs: number;
}

export const defaultWorkerRegistryOptions: WorkerRegistryOptions = {
  heartbeatTimeoutMs: 30_000,
  reconnectMs: 10_000,
  heartbeatMs: 1_000,
  stalledMs: 200,
};
