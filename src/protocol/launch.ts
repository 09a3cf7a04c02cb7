// What the launcher of a worker process writes to its stdin: one line of JSON. The secret is in it, so it goes through a pipe and
// stands in no process list and no environment.

export interface WorkerLaunch {
  /** host:port */
  readonly master: string;
  readonly secret: string;
  readonly workerId: string;
  readonly role: "core" | "task";
  readonly node: string;
  readonly slots: number;
  readonly memoryBytes: number;
  readonly localDir: string;
  readonly moduleRoot: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
}
