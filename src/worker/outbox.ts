// What goes to the master in bundles: statuses of one turn of the loop in one message, lines that tasks print every 50 ms, and
// before the end of the task that wrote them. Statuses are few and must arrive: the attempt runner tells them again after a
// broken stream. Lines are many and may be lost: where the master does not read, or is not there, they are counted instead.

import type { SessionId } from "../core/ids.js";
import type { TaskStatus } from "../protocol/tasks.js";
import type { TaskLogLine, WorkerToMaster } from "../protocol/worker.js";

const LOG_FLUSH_MS = 50;
/** Lines join what waits for the master only below this. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

export interface OutboxPorts {
  send(message: WorkerToMaster): void;
  /** Bytes that wait for the master to read them; null: no master is connected. */
  unreadBytes(): number | null;
}

export class Outbox {
  #statuses: TaskStatus[] = [];
  #flushing = false;
  #logs: TaskLogLine[] = [];
  #timer: NodeJS.Timeout | null = null;
  /** Lines that were left out, told once lines can go again: of each session with the task of the last one. */
  readonly #dropped = new Map<SessionId, { key: TaskLogLine["key"]; lines: number }>();

  constructor(private readonly ports: OutboxPorts) {}

  report(statuses: readonly TaskStatus[]): void {
    this.#statuses.push(...statuses);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.flush());
  }

  log(line: TaskLogLine): void {
    this.#logs.push(line);
    this.#timer ??= setTimeout(() => this.#flushLogs(), LOG_FLUSH_MS);
  }

  /** Sends all that waits. */
  flush(): void {
    this.#flushing = false;
    this.#flushLogs();
    if (this.#statuses.length === 0) return;
    const statuses = this.#statuses;
    this.#statuses = [];
    this.ports.send({ kind: "statuses", statuses });
  }

  /** Nobody reads its lines any more. */
  forget(session: SessionId): void {
    this.#dropped.delete(session);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #flushLogs(): void {
    this.close();
    const lines = this.#logs;
    if (lines.length === 0) return;
    this.#logs = [];
    const unread = this.ports.unreadBytes();
    if (unread === null || unread > MAX_UNREAD_BYTES) {
      for (const line of lines) this.#drop(line);
      return;
    }
    const dropped = [...this.#dropped.values()].map(
      ({ key, lines }): TaskLogLine => ({ key, stream: "stderr", text: "", dropped: lines }),
    );
    this.#dropped.clear();
    this.ports.send({ kind: "logs", lines: [...dropped, ...lines] });
  }

  #drop({ key, dropped }: TaskLogLine): void {
    const known = this.#dropped.get(key.session);
    this.#dropped.set(key.session, { key, lines: (known?.lines ?? 0) + (dropped ?? 1) });
  }
}
