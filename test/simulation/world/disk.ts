// The disks of the virtual world: files and directories in memory, one tree for all machines (a machine's lies below
// /<machine>, what all share below /shared). Fails as a disk does, when a fault says so: no room, a read that fails, bytes that
// change. Only what the sources use of node:fs is here; fs.ts gives it node's names.

export class Inode {
  bytes: Buffer = Buffer.alloc(0);
  size = 0;
  /** When it was made or touched. */
  modifiedMs = 0;

  /** The content; a view. */
  get content(): Buffer {
    return this.bytes.subarray(0, this.size);
  }

  write(from: Uint8Array, at: number): void {
    const end = at + from.byteLength;
    if (end > this.bytes.byteLength) {
      const wider = Buffer.alloc(Math.max(256, end, this.bytes.byteLength * 2));
      this.content.copy(wider);
      this.bytes = wider;
    }
    this.bytes.set(from, at);
    this.size = Math.max(this.size, end);
  }
}

/** What is to go wrong with the calls that follow, until it has happened or is taken away. */
export interface DiskFault {
  readonly kind: "full" | "unreadable" | "garbled" | "crash";
  /** Calls of the kind (writes; reads) that still succeed. */
  left: number;
  fired: boolean;
}

/** The process ended inside a call: nothing after it happens. */
export class CrashInCall extends Error {}

const DIRECTORY = Symbol("directory");

export class Disks {
  readonly #entries = new Map<string, Inode | typeof DIRECTORY>([["/", DIRECTORY]]);
  fault: DiskFault | null = null;
  /** Sees every file that is read from. */
  onRead: ((path: string) => void) | null = null;

  file(path: string): Inode | null {
    const entry = this.#entries.get(path);
    return entry instanceof Inode ? entry : null;
  }

  isDirectory(path: string): boolean {
    return this.#entries.get(path) === DIRECTORY;
  }

  exists(path: string): boolean {
    return this.#entries.has(path);
  }

  /** Files below a directory, by their paths. */
  filesBelow(directory: string): string[] {
    const prefix = directory === "/" ? "/" : `${directory}/`;
    return [...this.#entries].flatMap(([path, entry]) =>
      entry instanceof Inode && path.startsWith(prefix) ? [path] : [],
    );
  }

  /** Directories below one whose paths end so. */
  directoriesBelow(directory: string, end: string): string[] {
    return [...this.#entries].flatMap(([path, entry]) =>
      entry === DIRECTORY && path.startsWith(`${directory}/`) && path.endsWith(`/${end}`) ? [path] : [],
    );
  }

  /** Names in a directory, in order. */
  names(directory: string): string[] {
    if (this.file(directory) !== null) throw systemError("ENOTDIR", directory);
    if (!this.isDirectory(directory)) throw systemError("ENOENT", directory);
    const prefix = directory === "/" ? "/" : `${directory}/`;
    const names = new Set<string>();
    for (const path of this.#entries.keys()) {
      if (path.startsWith(prefix) && path.length > prefix.length)
        names.add(path.slice(prefix.length).split("/")[0] as string);
    }
    return [...names].sort();
  }

  makeDirectory(path: string, recursive: boolean): string | undefined {
    this.#willWrite(path);
    if (this.exists(path)) {
      if (recursive && this.isDirectory(path)) return undefined;
      throw systemError("EEXIST", path);
    }
    const above = parentOf(path);
    let first: string | undefined;
    if (!this.exists(above)) {
      if (!recursive) throw systemError("ENOENT", path);
      first = this.makeDirectory(above, true);
    }
    if (!this.isDirectory(above)) throw systemError("ENOTDIR", path);
    this.#entries.set(path, DIRECTORY);
    return first ?? path;
  }

  open(path: string, flags: string): Inode {
    const exclusive = flags.includes("x");
    const entry = this.#entries.get(path);
    if (entry === DIRECTORY && !flags.startsWith("r")) throw systemError("EISDIR", path);
    if (flags.startsWith("r")) {
      if (entry === undefined) throw systemError("ENOENT", path);
      return entry === DIRECTORY ? new Inode() : entry;
    }
    if (entry instanceof Inode) {
      if (exclusive) throw systemError("EEXIST", path);
      if (flags.startsWith("w")) {
        entry.size = 0;
        entry.bytes = Buffer.alloc(0);
      }
      return entry;
    }
    if (!this.isDirectory(parentOf(path))) throw systemError("ENOENT", path);
    this.#willWrite(path);
    const made = new Inode();
    this.#entries.set(path, made);
    return made;
  }

  write(inode: Inode, from: Uint8Array, at: number, path: string): void {
    this.#willWrite(path);
    inode.write(from, at);
  }

  read(inode: Inode, into: Uint8Array, at: number, path: string): number {
    if (this.#fires("unreadable")) throw systemError("EIO", path);
    const end = Math.min(inode.size, at + into.byteLength);
    if (end <= at) return 0;
    into.set(inode.bytes.subarray(at, end));
    this.onRead?.(path);
    // On the way from the disk: the next read gives what is there.
    if (path.includes("/shuffle/") && this.#fires("garbled")) into[0] = (into[0] as number) ^ 0xff;
    return end - at;
  }

  /** Another name of the same file. */
  link(from: string, to: string): void {
    this.#willWrite(from);
    const inode = this.file(from);
    if (inode === null || !this.isDirectory(parentOf(to))) throw systemError("ENOENT", from);
    if (this.exists(to)) throw systemError("EEXIST", to);
    this.#entries.set(to, inode);
  }

  rename(from: string, to: string): void {
    this.#willWrite(from);
    const entry = this.#entries.get(from);
    if (entry === undefined || !this.isDirectory(parentOf(to))) throw systemError("ENOENT", from);
    if (entry === DIRECTORY) {
      for (const [path, below] of [...this.#entries]) {
        if (!path.startsWith(`${from}/`)) continue;
        this.#entries.delete(path);
        this.#entries.set(to + path.slice(from.length), below);
      }
    } else if (this.isDirectory(to)) throw systemError("EISDIR", to);
    this.#entries.delete(from);
    this.#entries.set(to, entry);
  }

  /** Whatever is there; false when nothing was. Files that are open keep their bytes. */
  remove(path: string, recursive: boolean): boolean {
    const entry = this.#entries.get(path);
    if (entry === undefined) return false;
    if (entry === DIRECTORY) {
      const below = [...this.#entries.keys()].filter((other) => other.startsWith(`${path}/`));
      if (below.length > 0 && !recursive) throw systemError("ENOTEMPTY", path);
      for (const other of below) this.#entries.delete(other);
    }
    this.#entries.delete(path);
    return true;
  }

  /** Changes one byte of a file. */
  corrupt(path: string, at: number): void {
    const inode = this.file(path);
    if (inode === null || at >= inode.size) return;
    // Copied: who reads it now keeps what it has read.
    inode.bytes = Buffer.from(inode.bytes);
    inode.bytes[at] = (inode.bytes[at] as number) ^ 0xff;
  }

  #willWrite(path: string): void {
    if (this.#fires("full")) throw systemError("ENOSPC", path);
    if (this.#fires("crash")) throw new CrashInCall(`crash at ${path}`);
  }

  #fires(kind: DiskFault["kind"]): boolean {
    const { fault } = this;
    if (fault === null || fault.kind !== kind) return false;
    // A disk that is full stays so, and a dead process does nothing more, until the fault is taken away.
    if (fault.fired) return kind === "full" || kind === "crash";
    if (fault.left-- > 0) return false;
    fault.fired = true;
    return true;
  }
}

export function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, '${path}'`), { code, path });
}

export function parentOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at <= 0 ? "/" : path.slice(0, at);
}
