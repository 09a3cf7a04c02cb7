// The worker's shell: one connection to the master, the slots, the directory, the cache. Turns messages into events of the
// attempt runner and its commands into work; every outcome returns as an event. No policy stands here.

import { rmSync } from "node:fs";
import { isMillraceError, MillraceError, toWireError } from "../core/errors.js";
import { type BlobHash, blobHash, formatTaskKey, type SessionId, type ShuffleId, type TaskKey } from "../core/ids.js";
import { openFileLimit, openFilesShare } from "../core/open-file-limit.js";
import type { OptionValues } from "../core/options.js";
import { SteadyClock } from "../core/steady-clock.js";
import { version } from "../core/version.js";
import type { BlockRequest } from "../protocol/blocks.js";
import type { TaskStatus, WorkerAddress } from "../protocol/tasks.js";
import type {
  MasterToWorker,
  OfferedOutput,
  TaskLogLine,
  WorkerRegistration,
  WorkerToMaster,
} from "../protocol/worker.js";
import { type Connection, decodeMasterToWorker, encodeWorkerMessage } from "../rpc/index.js";
import { MAX_OPEN_FILES } from "../shuffle/map-output-files.js";
import { type MapOutputName, mapOutputPath, resultPath, shuffleDirectory } from "../shuffle/paths.js";
import { Adoption } from "./adoption.js";
import {
  AttemptRunner,
  defaultAttemptRunnerOptions,
  type RunnerCommand,
  type RunnerEvent,
} from "./attempt-runner/index.js";
import { BlockService } from "./block-service.js";
import { CacheStore } from "./cache-store.js";
import { keepLive } from "./committed-blocks.js";
import { DiskWatch } from "./disk-watch.js";
import { Leave } from "./leave.js";
import { type HeapLimits, planMemory } from "./memory-plan.js";
import { RETRY_PAUSES_MS, retryingFetch } from "./retrying-fetch.js";
import type { SlotMessage, SlotSettings } from "./slot/messages.js";
import { FetchWindow } from "./slots/fetch-window.js";
import type { WatchedMemory } from "./slots/memory-guard.js";
import type { SlotEvents, SlotThread } from "./slots/slot.js";
import { SlotPool } from "./slots/slot-pool.js";
import { SlotRequests } from "./slots/slot-requests.js";
import type { WorkerDirectory } from "./worker-directory.js";

export interface WorkerShellOptions {
  readonly registration: Omit<WorkerRegistration, "version" | "pid" | "incarnation">;
  readonly directory: WorkerDirectory;
  /** What an earlier process of this worker has left. Default: nothing. */
  readonly committed?: readonly OfferedOutput[];
  readonly options: OptionValues;
  /** Whoever reads this worker's blocks runs on this machine, on threads of this process or as another worker of its session. */
  readonly oneMachine: boolean;
  /** What the memory watch holds the slots to; null: no watch. */
  readonly watchedMemory: WatchedMemory | null;
  readonly moduleRoots: readonly string[];
  /** Makes slot `index`; `heap` is for its thread. */
  readonly makeSlot: (
    index: number,
    settings: Omit<SlotSettings, "slot">,
    heap: HeapLimits,
    events: SlotEvents,
  ) => SlotThread;
  /** Bytes of a blob of the master. */
  readonly fetchBlob: (hash: BlobHash) => Promise<Uint8Array>;
  /** Bytes that another worker serves. */
  readonly fetchBlock: (address: string, request: BlockRequest, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Everything is reported and the worker may go. */
  readonly onDrained: () => void;
  /** The worker is to end for good: nobody needs what it holds, or its time is over. */
  readonly onDecommissioned: (reason: string) => void;
  /** The master does not take this worker. */
  readonly onRefused: (error: MillraceError) => void;
  readonly log: (message: string) => void;
}

const TICK_MS = 100;
const LOG_FLUSH_MS = 50;
const INLINE_RESULT_BYTES = 64 * 1024;
/** Messages stay below 256 KiB. */
const OFFERS_A_MESSAGE = 2_000;
const REQUEST_TIMEOUT_MS = 120_000;

export class WorkerShell {
  readonly cache: CacheStore;
  readonly blocks: BlockService;
  readonly #options: WorkerShellOptions;
  readonly #registration: WorkerRegistration;
  readonly #runner: AttemptRunner;
  readonly #pool: SlotPool;
  readonly #requests: SlotRequests;
  readonly #disk: DiskWatch;
  readonly #adoption: Adoption;
  readonly #clock = new SteadyClock(TICK_MS, () => performance.now());
  readonly #ticker: NodeJS.Timeout;
  readonly #blobs = new Map<BlobHash, Promise<Uint8Array>>();
  /** Fragments at hand, for `run` commands, which come only when their blob has. */
  readonly #fragments = new Map<BlobHash, Uint8Array>();
  /** Where other workers serve their blocks, learnt from locations. */
  readonly #addresses = new Map<string, WorkerAddress>();
  #connection: Connection | null = null;
  /** When the master was last heard of, and how long it may be silent: our own option until it has said so. */
  #heardMs = 0;
  #silenceMs: number;
  #disconnected: (error: Error | null) => void = () => undefined;
  #heartbeat: NodeJS.Timeout | null = null;
  readonly #leave = new Leave();
  #statuses: TaskStatus[] = [];
  #flushing = false;
  #logs: TaskLogLine[] = [];
  #logTimer: NodeJS.Timeout | null = null;

  constructor(options: WorkerShellOptions) {
    const { registration, directory, options: values } = options;
    this.#options = options;
    this.#disk = new DiskWatch(directory.path, values["disk.minFree"], options.log);
    this.#silenceMs = values["worker.heartbeatTimeout"];
    this.#registration = { ...registration, version, pid: process.pid, incarnation: Date.now() };
    const plan = planMemory(registration.memoryBytes, registration.slots, values["memory.taskBytes"]);
    this.cache = new CacheStore({
      limitBytes: plan.cacheBytes,
      pathOf: (session, node, partition, generation) => directory.cachePath(session, node, partition, generation),
      onEvicted: (session, node, partition) =>
        this.#send({ kind: "uncached", session, partitions: [{ node, partition }] }),
    });
    // The block server has a cache of open files too.
    const openFiles = openFilesShare(openFileLimit(), registration.slots + 1, MAX_OPEN_FILES);
    this.blocks = new BlockService(directory.path, this.cache, openFiles);
    const window = new FetchWindow(values["fetch.maxBytesInFlight"], registration.slots);
    this.#requests = new SlotRequests(
      {
        blob: (request) => this.#blob(blobHash(request.hash)),
        blocks: ({ request, partition, streams }, signal) => {
          const pieceBytes = window.pieceBytes(streams);
          const asked = { kind: "shuffle", ...request, partition, pieceBytes } as const;
          return retryingFetch(
            () => options.fetchBlock(request.worker.blocks, asked, signal),
            { retries: values["fetch.retries"], pausesMs: RETRY_PAUSES_MS, log: options.log },
            signal,
          );
        },
        cached: ({ session, node, partition, generation = 0, worker }, signal) =>
          this.#fetchCached(worker, { kind: "cached", session, node, partition, generation }, signal),
      },
      window,
    );
    this.#adoption = new Adoption({
      self: registration.address,
      localReads: values["shuffle.localReads"],
      cache: this.cache,
      fetchBlock: options.fetchBlock,
      report: (from, outcomes) => this.#send({ kind: "adopted", from: from.worker, outcomes }),
    });
    const settings: Omit<SlotSettings, "slot"> = {
      address: registration.address,
      taskBytes: plan.taskBytes,
      cacheBytes: plan.cacheBytes,
      openFiles,
      inlineResultBytes: INLINE_RESULT_BYTES,
      localReads: values["shuffle.localReads"],
      compress: values["shuffle.compress"] ?? !options.oneMachine,
      checksum: values["shuffle.checksum"],
      moduleRoots: options.moduleRoots,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
    };
    const events: SlotEvents = {
      onMessage: (slot, message) => this.#fromSlot(slot, message),
      onGone: (slot) => this.#requests.drop(slot),
    };
    const threads = Array.from({ length: registration.slots }, (_, index) =>
      options.makeSlot(index, settings, plan.heap, events),
    );
    this.#pool = new SlotPool(threads, {
      cache: this.cache,
      memory: options.watchedMemory,
      taskBytes: plan.taskBytes,
      onPressure: (level) => this.#handle({ kind: "pressure", level }),
    });
    this.#runner = new AttemptRunner({
      ...defaultAttemptRunnerOptions,
      slots: registration.slots,
      taskTimeoutMs: values["task.timeout"],
    });
    this.#ticker = setInterval(() => this.#tick(this.#clock.tick()), TICK_MS);
  }

  /** For tests, which look for what is left in it. */
  get runner(): AttemptRunner {
    return this.#runner;
  }

  /** Starts the threads ahead of the first task. */
  start(): Promise<void> {
    return this.#pool.start();
  }

  /** Speaks over this connection from now on: the first one, or the next after it broke. */
  attach(connection: Connection, onClose: (error: Error | null) => void): void {
    this.#connection = connection;
    this.#heardMs = this.#clock.now();
    connection.onMessage((bytes) => {
      if (this.#connection !== connection) return;
      this.#heardMs = this.#clock.now();
      this.#fromMaster(decodeMasterToWorker(bytes));
    });
    this.#disconnected = (error) => {
      if (this.#connection !== connection) return;
      this.#connection = null;
      if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
      this.#heartbeat = null;
      this.#handle({ kind: "connectionLost" });
      onClose(error);
    };
    connection.onClose(this.#disconnected);
    this.#send({ kind: "register", registration: this.#registration });
  }

  /** A network that lost the connection tells neither side: a master that does not even answer heartbeats is not there. */
  #tick(now: number): void {
    this.#handle({ kind: "tick" }, now);
    const overdue = this.#leave.overdue(now);
    if (overdue !== null) this.#options.onDecommissioned(overdue);
    if (this.#connection === null || now - this.#heardMs < this.#silenceMs) return;
    const message = `nothing was heard of the master for ${this.#silenceMs} ms (worker.heartbeatTimeout)`;
    const connection = this.#connection;
    this.#disconnected(new MillraceError("MASTER_LOST", message, { fields: { timeoutMs: this.#silenceMs } }));
    connection.close();
  }

  /** Tells the master and lets running attempts be cancelled; `onDrained` follows. */
  leave(reason: string): void {
    this.#leave.atOnce(reason);
    this.#send({ kind: "leaving", reason });
    this.#handle({ kind: "shutdown", reason });
  }

  /** Whether it is to go already. */
  get isLeaving(): boolean {
    return this.#leave.isMeant;
  }

  /** Asks the master to be let go, and takes no more tasks; `onDecommissioned` follows within the time, or soon after it. */
  decommission(reason: string, timeoutMs: number): void {
    this.#goWithin(reason, timeoutMs);
    this.#send({ kind: "decommission", reason, timeoutMs });
  }

  /** Ends threads and timers. The directory stays its owner's to remove. */
  async close(): Promise<void> {
    clearInterval(this.#ticker);
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    if (this.#logTimer !== null) clearTimeout(this.#logTimer);
    this.#connection?.close();
    this.#adoption.close();
    await this.#pool.close();
    this.blocks.close();
  }

  #fromMaster(message: MasterToWorker): void {
    const { directory } = this.#options;
    switch (message.kind) {
      case "registered":
        this.#heartbeat = setInterval(() => this.#beat(), message.heartbeatMs);
        this.#silenceMs = message.timeoutMs;
        this.#offer(message.liveSessions);
        this.#handle({ kind: "registered", liveSessions: message.liveSessions });
        this.#dropAdopted(new Set(message.liveSessions));
        this.#sayAgain();
        return;
      case "heartbeat":
        return;
      case "refused":
        return this.#options.onRefused(
          new MillraceError(message.error.code, message.error.message, { fields: message.error.fields }),
        );
      case "mapOutputs":
        for (const address of message.locations.workers) this.#addresses.set(address.worker, address);
        return this.#handle({ kind: "mapOutputs", locations: message.locations });
      case "launch":
        return this.#handle({ kind: "launches", launches: message.launches });
      case "cancel":
        return this.#handle(message);
      case "releaseResults":
        for (const key of message.keys) rmSync(resultPath(directory.path, key), { force: true });
        return;
      case "releaseShuffle": {
        this.#adoption.release(message.session, message.shuffle);
        const path = shuffleDirectory(directory.path, message.session, message.shuffle);
        this.blocks.release(path);
        rmSync(path, { recursive: true, force: true });
        return this.#handle({ kind: "shuffleReleased", session: message.session, shuffle: message.shuffle });
      }
      case "discard":
        return this.#discard(message.session, message.shuffle, message.outputs);
      case "uncache":
        this.#adoption.releaseNode(message.session, message.node);
        return this.cache.remove(message.session, message.node);
      case "releaseSession":
        this.#adoption.release(message.session);
        return this.#handle({ kind: "sessionReleased", session: message.session });
      case "releaseBlobs":
        for (const hash of message.hashes) this.#dropBlob(hash);
        return this.#handle({ kind: "blobsReleased", hashes: message.hashes });
      case "shutdown":
        return this.#handle({ kind: "shutdown", reason: message.reason });
      case "decommission":
        return this.#goWithin(message.reason, message.timeoutMs);
      case "adopt":
        return this.#adoption.adopt(message.from, message.blocks);
      case "decommissioned":
        return this.#options.onDecommissioned(message.reason);
    }
  }

  #goWithin(reason: string, timeoutMs: number): void {
    if (!this.isLeaving)
      this.#options.log(`leaving within ${timeoutMs / 1000} s, once others have what it holds: ${reason}`);
    this.#leave.within(reason, timeoutMs, this.#clock.now());
    this.#handle({ kind: "handBack" });
  }

  #sayAgain(): void {
    const said = this.#leave.said(this.#clock.now());
    if (said !== null) this.#send(said);
  }

  /** A session that ended while the stream was broken may have nothing here but what was taken over. */
  #dropAdopted(live: ReadonlySet<SessionId>): void {
    for (const session of [...this.#adoption.sessions]) {
      if (live.has(session)) continue;
      this.#adoption.release(session);
      this.#handle({ kind: "sessionReleased", session });
    }
  }

  /** Once a process; again when the stream broke before the master could decide. The first heartbeat follows. */
  #offer(live: readonly SessionId[]): void {
    const { directory, committed = [] } = this.#options;
    if (committed.length === 0) return;
    const outputs = keepLive(directory.path, committed, live);
    for (let at = 0; at < outputs.length; at += OFFERS_A_MESSAGE)
      this.#send({ kind: "offer", outputs: outputs.slice(at, at + OFFERS_A_MESSAGE) });
  }

  #handle(event: RunnerEvent, now = this.#clock.now()): void {
    for (const command of this.#runner.handle(event, now)) this.#perform(command);
  }

  #perform(command: RunnerCommand): void {
    switch (command.kind) {
      case "run":
        void this.#run(command);
        return;
      case "startSlot":
        void this.#restart(command.slot);
        return;
      case "cancelWord":
        return this.#pool.cancel(command.slot);
      case "killSlot":
        void this.#kill(command.slot);
        return;
      case "report":
        return this.#report(command.statuses);
      case "heartbeat":
        return this.#beat();
      case "fetchBlob":
        void this.#fetchFragment(command.hash);
        return;
      case "dropSession":
        return this.#dropSession(command.session);
      case "slotWrittenOff":
        return this.#options.log(
          `slot ${command.slot} does not end; the worker will restart when its other slots are done`,
        );
      case "drained":
        this.#flushStatuses();
        return this.#options.onDrained();
    }
  }

  async #run({ slot, launch, locations }: RunnerCommand & { kind: "run" }): Promise<void> {
    const fragment = this.#fragments.get(launch.fragment);
    try {
      if (fragment === undefined) throw new MillraceError("INTERNAL", `the fragment ${launch.fragment} is not here`);
      const outcome = await this.#pool.run(slot, launch, fragment, locations);
      if (outcome.kind !== "succeeded") this.#removeAttempt(launch.key);
      // Before the failure is told, so that the next attempt goes elsewhere if there is still no room.
      if (outcome.kind === "failed" && outcome.error.code === "DISK_FULL") this.#beat();
      this.#handle({ kind: "slotEnded", slot, key: launch.key, outcome });
    } catch (error) {
      this.#removeAttempt(launch.key);
      this.#handle({ kind: "slotDied", slot, error: toWireError(error) });
    }
  }

  /** Before its end is told: the session may go with it. */
  #removeAttempt(key: TaskKey): void {
    try {
      this.#options.directory.removeAttempt(key);
    } catch (error) {
      this.#options.log(`files of ${formatTaskKey(key)} could not be removed: ${(error as Error).message}`);
    }
  }

  async #restart(slot: number): Promise<void> {
    try {
      await this.#pool.restart(slot);
      this.#handle({ kind: "slotReady", slot });
    } catch (error) {
      // Without a thread the slot stays "starting"; the worker goes on with the others.
      this.#options.log(`slot ${slot} could not be started: ${(error as Error).message}`);
    }
  }

  async #kill(slot: number): Promise<void> {
    await this.#pool.kill(slot, new MillraceError("TASK_CANCELLED", "the task did not stop by itself"));
  }

  async #fetchFragment(hash: BlobHash): Promise<void> {
    try {
      this.#fragments.set(hash, await this.#blob(hash));
      this.#handle({ kind: "blobArrived", hash });
    } catch (error) {
      this.#handle({ kind: "blobFailed", hash, error: toWireError(error, "MASTER_LOST") });
    }
  }

  /** Fetched once a process, whoever asks. */
  #blob(hash: BlobHash): Promise<Uint8Array> {
    let blob = this.#blobs.get(hash);
    if (blob === undefined) {
      blob = this.#options.fetchBlob(hash);
      this.#blobs.set(hash, blob);
      blob.catch(() => this.#blobs.delete(hash));
    }
    return blob;
  }

  #dropBlob(hash: BlobHash): void {
    this.#blobs.delete(hash);
    this.#fragments.delete(hash);
  }

  async *#fetchCached(worker: string, request: BlockRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const address = this.#addresses.get(worker)?.blocks;
    // Nobody told where it is: computing the partition again is right, only slower.
    if (address === undefined || address === "") return;
    let given = false;
    try {
      for await (const piece of this.#options.fetchBlock(address, request, signal)) {
        given = true;
        yield piece;
      }
    } catch (error) {
      // Nor can it be had from a worker that is gone, or has come back at another address.
      if (given || !isMillraceError(error) || error.code !== "FETCH_FAILED") throw error;
      if (this.#addresses.get(worker)?.blocks === address) this.#addresses.delete(worker);
    }
  }

  #discard(
    session: SessionId,
    shuffle: ShuffleId,
    outputs: readonly Omit<MapOutputName, "session" | "shuffle">[],
  ): void {
    const { directory } = this.#options;
    for (const output of outputs) {
      const path = mapOutputPath(directory.path, { session, shuffle, ...output });
      this.blocks.release(path);
      rmSync(path, { force: true });
    }
    directory.removeIfEmpty(shuffleDirectory(directory.path, session, shuffle));
  }

  #dropSession(session: SessionId): void {
    const { directory } = this.#options;
    this.cache.remove(session);
    this.blocks.release(directory.path);
    directory.removeSession(session);
  }

  #fromSlot(slot: SlotThread, message: SlotMessage): void {
    switch (message.kind) {
      case "log":
        this.#logs.push(message.line);
        return this.#flushLogsSoon();
      default:
        return this.#requests.handle(slot, message);
    }
  }

  #flushLogsSoon(): void {
    this.#logTimer ??= setTimeout(() => this.#flushLogs(), LOG_FLUSH_MS);
  }

  #flushLogs(): void {
    if (this.#logTimer !== null) clearTimeout(this.#logTimer);
    this.#logTimer = null;
    if (this.#logs.length > 0) this.#send({ kind: "logs", lines: this.#logs });
    this.#logs = [];
  }

  /** Statuses of one turn of the loop go in one message; lines that a task wrote go before its end. */
  #report(statuses: readonly TaskStatus[]): void {
    this.#statuses.push(...statuses);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flushStatuses());
  }

  #flushStatuses(): void {
    this.#flushing = false;
    this.#flushLogs();
    if (this.#statuses.length === 0) return;
    const statuses = this.#statuses;
    this.#statuses = [];
    this.#send({ kind: "statuses", statuses });
  }

  #beat(): void {
    const disk = this.#disk.look();
    const running = this.#runner.held;
    const progress = new Map(
      this.#runner.slots.flatMap((state, slot) =>
        state.kind === "running" ? [[state.launch.key, this.#pool.recordsRead(slot)] as const] : [],
      ),
    );
    this.#send({
      kind: "heartbeat",
      rssBytes: process.memoryUsage.rss(),
      cacheBytes: this.cache.usedBytes,
      running,
      records: running.map((key) => progress.get(key) ?? 0),
      ...(disk === null ? {} : { disk }),
    });
  }

  #send(message: WorkerToMaster): void {
    this.#connection?.send(encodeWorkerMessage(message));
  }
}
