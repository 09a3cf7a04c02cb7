// Slice of the master's options that decides how a worker is emptied before it goes.

export interface DecommissionOptions {
  /** What nobody names a time for gets this. Option `decommission.timeout`. */
  readonly timeoutMs: number;
  /** Bytes of one leaving worker that may be on their way to others; a larger block travels alone. */
  readonly maxBytesInFlight: number;
  /** And so many blocks: small ones cost a file each. */
  readonly maxBlocksInFlight: number;
  /** A map output that every receiver has refused is offered again, so often in all. */
  readonly maxRounds: number;
  /** Between two rounds: what was wrong (a broken stream, a full disk) may be over. */
  readonly roundMs: number;
  /** A worker that was told to go and is still there after this long is given up. */
  readonly leaveGraceMs: number;
}

export const defaultDecommissionOptions: DecommissionOptions = {
  timeoutMs: 120_000,
  maxBytesInFlight: 64 * 1024 * 1024,
  maxBlocksInFlight: 256,
  maxRounds: 3,
  roundMs: 1_000,
  leaveGraceMs: 15_000,
};
