// The narrow interfaces through which records and bytes flow between sources, operators and sinks, where nothing of the
// codec is needed. They stand in core so that formats and emrfs can implement what operators consume; the interfaces that
// speak of encoded frames are in codec/frame-flow.ts. operators/task-context.ts re-exports both.

export type MaybePromise<T> = T | Promise<T>;

/** Records by the batch: at most 1,024 of them an array, which the receiver may keep. null = the end. A promise only below an asynchronous operator. */
export interface BatchSource {
  next(): MaybePromise<readonly unknown[] | null>;
  /** Bytes taken from storage so far, for the task's metrics; sources of splits have it. */
  readonly bytesRead?: number;
  /** Frees files and reservations; called once, at the end or when the consumer wants no more. */
  close(): void;
}

/** A BatchSource that never answers a promise: what formats open. */
export interface SyncBatchSource extends BatchSource {
  /** 0 for sources that read no file. */
  readonly bytesRead: number;
  next(): readonly unknown[] | null;
}

/** Where a part file goes. */
export interface PartFile {
  write(bytes: Uint8Array): void;
  /** Closes the pending file and tells its names. */
  finish(): { readonly pending: string; readonly final: string; readonly sizeBytes: number };
  abort(): void;
}
