// The worker's shell: one connection to the master, the slots, the directory, the cache. Turns messages into events of the
// attempt runner and its commands into work; every outcome returns as an event. No policy stands here.

import { MillraceError, toWireError } from "../core/errors.js";
import { type BlobHash, blobHash, type SessionId } from "../core/ids.js";
import { openFileLimit, openFilesShare } from "../core/open-file-limit.js";
import { SteadyClock } from "../core/steady-clock.js";
import { version } from "../core/version.js";
import type { MasterToWorker, WorkerRegistration, WorkerToMaster } from "../protocol/worker.js";
import type { Connection } from "../rpc/index.js";
import { MAX_OPEN_FILES } from "../shuffle/map-output-files.js";
import { Adoption } from "./adoption.js";
import {
  AttemptRunner,
  defaultAttemptRunnerOptions,
  type RunnerCommand,
  type RunnerEvent,
} from "./attempt-runner/index.js";
import { BlockService } from "./block-service.js";
import { CacheStore } from "./cache-store.js";
import { keepLive, offersOf } from "./committed-blocks.js";
import { DiskWatch } from "./disk-watch.js";
import { Disposal } from "./disposal.js";
import { heartbeatOf } from "./heartbeat.js";
import { Leave } from "./leave.js";
import { MasterLink } from "./master-link.js";
import { planMemory } from "./memory-plan.js";
import { Outbox } from "./outbox.js";
import { Peers } from "./peers.js";
import { RemoteBlocks } from "./remote-blocks.js";
import { slotSettingsOf, type WorkerShellOptions } from "./shell-options.js";
import type { SlotMessage } from "./slot/messages.js";
import { SlotCommands } from "./slot-commands.js";
import { FetchWindow } from "./slots/fetch-window.js";
import type { SlotEvents, SlotThread } from "./slots/slot.js";
import { SlotPool } from "./slots/slot-pool.js";
import { SlotRequests } from "./slots/slot-requests.js";
import { TaskMessages } from "./task-messages.js";
import { WorkerBlobs } from "./worker-blobs.js";

const TICK_MS = 100;

export class WorkerShell {
  readonly cache: CacheStore;
  readonly blocks: BlockService;
  readonly #options: WorkerShellOptions;
  readonly #registration: WorkerRegistration;
  readonly #runner: AttemptRunner;
  readonly #pool: SlotPool;
  readonly #slots: SlotCommands;
  readonly #requests: SlotRequests;
  readonly #disk: DiskWatch;
  readonly #adoption: Adoption;
  readonly #tasks: TaskMessages;
  readonly #clock = new SteadyClock(TICK_MS, () => performance.now());
  readonly #ticker: NodeJS.Timeout;
  readonly #blobs: WorkerBlobs;
  readonly #disposal: Disposal;
  readonly #outbox = new Outbox({
    send: (message) => this.#send(message),
    unreadBytes: () => this.#master.unreadBytes,
  });
  readonly #master: MasterLink;
  readonly #leave = new Leave();

  constructor(options: WorkerShellOptions) {
    const { registration, directory, options: values } = options;
    this.#options = options;
    this.#blobs = new WorkerBlobs(options.fetchBlob);
    this.#disk = new DiskWatch(directory.path, values["disk.minFree"], options.log);
    const ports = {
      onMessage: (message: MasterToWorker) => this.#fromMaster(message),
      onLost: () => this.#handle({ kind: "connectionLost" }),
      beat: () => this.#beat(),
    };
    this.#master = new MasterLink(ports, this.#clock, values["worker.heartbeatTimeout"]);
    this.#registration = { ...registration, version, pid: process.pid, incarnation: Date.now() };
    const plan = planMemory(registration.memoryBytes, registration.slots, values["memory.taskBytes"]);
    this.cache = new CacheStore({
      limitBytes: plan.cacheBytes,
      pathOf: (session, node, partition, generation) => directory.cachePath(session, node, partition, generation),
      onEvicted: (session, node, partition) =>
        this.#send({ kind: "uncached", session, partitions: [{ node, partition }] }),
      log: options.log,
    });
    // The block server has a cache of open files too.
    const openFiles = openFilesShare(openFileLimit(), registration.slots + 1, MAX_OPEN_FILES);
    this.blocks = new BlockService(directory.path, this.cache, openFiles);
    this.#disposal = new Disposal(directory, this.blocks, this.cache, options.log);
    const peers = new Peers();
    const window = new FetchWindow(values["fetch.maxBytesInFlight"], registration.slots);
    const remote = new RemoteBlocks(peers, {
      fetchBlock: options.fetchBlock,
      retries: values["fetch.retries"],
      pieceBytes: (streams) => window.pieceBytes(streams),
      log: options.log,
    });
    this.#requests = new SlotRequests(
      {
        blob: (request) => this.#blobs.get(blobHash(request.hash)),
        blocks: (request, signal) => remote.mapOutputs(request, signal),
        cached: (request, signal) => remote.cached(request, signal),
      },
      window,
    );
    this.#adoption = new Adoption({
      self: registration.address,
      localReads: values["shuffle.localReads"],
      cache: this.cache,
      fetchBlock: (address, request, signal) => remote.block(address, request, signal),
      report: (from, outcomes) => this.#send({ kind: "adopted", from: from.worker, outcomes }),
    });
    this.#tasks = new TaskMessages({
      peers,
      adoption: this.#adoption,
      disposal: this.#disposal,
      cache: this.cache,
      blobs: this.#blobs,
      handle: (event) => this.#handle(event),
    });
    const settings = slotSettingsOf(options, plan, openFiles);
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
    this.#slots = new SlotCommands({
      pool: this.#pool,
      blobs: this.#blobs,
      disposal: this.#disposal,
      handle: (event) => this.#handle(event),
      beat: () => this.#beat(),
      log: options.log,
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
    this.#master.attach(connection, onClose);
    this.#send({ kind: "register", registration: this.#registration });
  }

  #tick(now: number): void {
    this.#handle({ kind: "tick" }, now);
    const overdue = this.#leave.overdue(now);
    if (overdue !== null) this.#options.onDecommissioned(overdue);
    this.#master.check(now);
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
    this.#outbox.close();
    this.#master.close();
    this.#adoption.close();
    await this.#pool.close();
    this.blocks.close();
  }

  #fromMaster(message: MasterToWorker): void {
    switch (message.kind) {
      case "registered":
        this.#master.registered(message.heartbeatMs, message.timeoutMs);
        for (const offer of this.#offers(message.liveSessions)) this.#send(offer);
        this.#handle({ kind: "registered", liveSessions: message.liveSessions });
        this.#tasks.keepLive(message.liveSessions);
        this.#sayAgain();
        return;
      case "heartbeat":
        return;
      case "refused":
        return this.#options.onRefused(
          new MillraceError(message.error.code, message.error.message, { fields: message.error.fields }),
        );
      case "decommission":
        return this.#goWithin(message.reason, message.timeoutMs);
      case "decommissioned":
        return this.#options.onDecommissioned(message.reason);
      default:
        return this.#tasks.receive(message);
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

  /** Once a process; again when the stream broke before the master could decide. The first heartbeat follows. */
  #offers(live: readonly SessionId[]): WorkerToMaster[] {
    const { directory, committed = [] } = this.#options;
    return committed.length === 0 ? [] : offersOf(keepLive(directory.path, committed, live));
  }

  #handle(event: RunnerEvent, now = this.#clock.now()): void {
    for (const command of this.#runner.handle(event, now)) this.#perform(command);
  }

  #perform(command: RunnerCommand): void {
    switch (command.kind) {
      case "run":
      case "startSlot":
      case "cancelWord":
      case "takeBack":
      case "killSlot":
        return this.#slots.perform(command);
      case "report":
        return this.#outbox.report(command.statuses);
      case "heartbeat":
        return this.#beat();
      case "fetchBlob":
        void this.#fetchFragment(command.hash);
        return;
      case "dropSession":
        this.#outbox.forget(command.session);
        this.#blobs.keepPinned((hash) => this.#runner.names(hash));
        return this.#disposal.session(command.session);
      case "slotWrittenOff":
        return this.#options.log(
          `slot ${command.slot} does not end; the worker will restart when its other slots are done`,
        );
      case "drained":
        this.#outbox.flush();
        return this.#options.onDrained();
    }
  }

  async #fetchFragment(hash: BlobHash): Promise<void> {
    try {
      if (await this.#blobs.pin(hash)) this.#handle({ kind: "blobArrived", hash });
    } catch (error) {
      this.#handle({ kind: "blobFailed", hash, error: toWireError(error, "MASTER_LOST") });
    }
  }

  #fromSlot(slot: SlotThread, message: SlotMessage): void {
    switch (message.kind) {
      case "log":
        return this.#outbox.log(message.line);
      default:
        return this.#requests.handle(slot, message);
    }
  }

  #beat(): void {
    this.#send(heartbeatOf({ runner: this.#runner, pool: this.#pool, cache: this.cache, disk: this.#disk }));
  }

  #send(message: WorkerToMaster): void {
    this.#master.send(message);
  }
}
