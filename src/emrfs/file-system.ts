// What every store of files offers: a few methods over absolute URLs, all asynchronous and abortable. Store-specific code
// stays in the adapter (local-file-system.ts). What a store cannot do it refuses with a code; nothing is emulated
// half-way: `rename` is there only where it is atomic for files, see `atomicRename`.

export interface FileStatus {
  /** Absolute URL, in the one spelling that url.ts makes. */
  readonly url: string;
  readonly kind: "file" | "directory";
  /** 0 for a directory. */
  readonly sizeBytes: number;
  /** Whole milliseconds since 1970. With the size it pins a version of the file. */
  readonly modifiedMs: number;
  /** Listed through a symbolic link: `**` does not follow those, so that a link upwards cannot make it go round. */
  readonly link?: boolean;
}

export interface FileReader {
  readonly status: FileStatus;
  /** The bytes of [start, start + length), fewer only at the end of the file. */
  read(start: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A file being written: nobody sees it before `commit`, nothing of it is left after `abort`. */
export interface FileWriter {
  write(bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Makes the file visible under its name in one step. */
  commit(): Promise<void>;
  /** Idempotent; harmless after commit. */
  abort(): Promise<void>;
}

export interface CreateOptions {
  /** Replace a file that is there. Default false: OUTPUT_EXISTS. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
}

export interface FileSystem {
  /** Without the colon: "file", "s3". */
  readonly scheme: string;
  /** True where `rename` of a file is one atomic step. */
  readonly atomicRename: boolean;
  /** null when nothing is there. Follows symbolic links. */
  stat(url: string, signal?: AbortSignal): Promise<FileStatus | null>;
  /** The direct children of a directory, by name. PATH_NOT_FOUND or NOT_A_DIRECTORY otherwise. */
  list(url: string, signal?: AbortSignal): AsyncIterable<FileStatus>;
  /** PATH_NOT_FOUND, or IS_A_DIRECTORY. */
  open(url: string, signal?: AbortSignal): Promise<FileReader>;
  /** Missing parent directories are made. */
  create(url: string, options?: CreateOptions): Promise<FileWriter>;
  /** Makes the directory and its parents; true when it was not there before. */
  makeDirectory(url: string): Promise<boolean>;
  /** Removes a file or a directory with all in it; false when nothing was there. */
  delete(url: string, signal?: AbortSignal): Promise<boolean>;
  /** Moves a file, replacing what is at `to`. */
  rename(from: string, to: string): Promise<void>;
}

/** Finds the file system of a URL; throws UNSUPPORTED_SCHEME. Given to whoever reads or writes, so that tests can replace it. */
export type FileSystemLookup = (url: string) => FileSystem;
