// Workers that are to go: each gets no more tasks, finishes what it runs, and meanwhile its map outputs and cached partitions
// are given to others, so that nothing is computed again. It is told to end when nobody needs anything of it, or when its time
// is over. Who is asked for what is transfers.ts's word; here is when. Pure: what it does to workers and jobs goes through ports.

import type { SessionId, WorkerId } from "../../core/ids.js";
import type { AdoptableBlock, AdoptionOutcome } from "../../protocol/adoption.js";
import type { MasterToWorker } from "../../protocol/worker.js";
import type { SessionRecord } from "../job-scheduler/state.js";
import type { WorkerRecord, WorkerState } from "../worker-registry/index.js";
import { countReaders, countResults, heldBlocks } from "./needs.js";
import type { DecommissionOptions } from "./options.js";
import type { DecommissionCounts, DecommissionProgress, Receiver } from "./state.js";
import { Transfers } from "./transfers.js";

/** What the decommissioning of workers uses of the other components. */
export interface DecommissionPorts {
  workers(): Iterable<WorkerRecord>;
  worker(id: WorkerId): WorkerRecord | undefined;
  sessions(): ReadonlyMap<SessionId, SessionRecord>;
  send(worker: WorkerId, message: MasterToWorker): void;
  emit(command: DecommissionCommand): void;
  /** The receiver has the block; false when the scheduler counts on another one by now. */
  moved(block: AdoptableBlock, from: WorkerId, to: WorkerId): boolean;
  /** Attempts that it still holds go to others, uncharged. */
  giveUpAttempts(record: WorkerRecord, reason: string, now: number): void;
  /** It is not counted on any more. */
  lose(record: WorkerRecord, reason: string, now: number): void;
}

export type DecommissionCommand =
  | {
      readonly kind: "decommissionStarted";
      readonly worker: WorkerId;
      readonly reason: string;
      readonly timeoutMs: number;
    }
  /** `counts.blocksLeft` is what is lost with it. */
  | {
      readonly kind: "decommissionEnded";
      readonly worker: WorkerId;
      readonly reason: string;
      readonly elapsedMs: number;
      readonly counts: DecommissionCounts;
    };

interface Leaver {
  readonly worker: WorkerId;
  readonly incarnation: number;
  readonly sinceMs: number;
  reason: string;
  deadlineMs: number;
  readonly transfers: Transfers;
  /** When each shuffle, "session shuffle", last had a location here. */
  readonly lastHere: Map<string, number>;
  /** When it was told to end; null before that. */
  toldMs: number | null;
}

export class Decommissions {
  readonly #options: DecommissionOptions;
  readonly #ports: DecommissionPorts;
  readonly #leavers = new Map<WorkerId, Leaver>();

  constructor(options: DecommissionOptions, ports: DecommissionPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** Whether the worker is on its way out: its loss is nobody's fault. */
  has(worker: WorkerId): boolean {
    return this.#leavers.has(worker);
  }

  /** The latest word on reason and time counts. `tell`: the worker does not know yet. */
  begin(record: WorkerRecord, reason: string, timeoutMs: number | null, tell: boolean, now: number): void {
    if (record.state.kind === "leaving") return;
    const ms = timeoutMs ?? this.#options.timeoutMs;
    const known = this.#leavers.get(record.id);
    const leaver: Leaver = known ?? {
      worker: record.id,
      incarnation: record.registration.incarnation,
      sinceMs: now,
      reason,
      deadlineMs: now + ms,
      transfers: new Transfers(this.#options, record.registration.node),
      lastHere: new Map(),
      toldMs: null,
    };
    leaver.reason = reason;
    leaver.deadlineMs = now + ms;
    this.#leavers.set(record.id, leaver);
    if (known === undefined)
      this.#ports.emit({ kind: "decommissionStarted", worker: record.id, reason, timeoutMs: ms });
    if (tell) this.#ports.send(record.id, { kind: "decommission", reason, timeoutMs: ms });
    if (record.state.kind === "active" || record.state.kind === "decommissioning") this.resume(record);
    // What it has not handed back yet it will; others' blocks that were on their way to it go elsewhere.
    this.#receiverGone(record.id);
    this.#step(leaver, now);
  }

  /** The state of a worker that has said what it still runs. */
  stateOf(record: WorkerRecord): WorkerState {
    const leaver = this.#leavers.get(record.id);
    if (leaver === undefined || leaver.toldMs !== null) return { kind: leaver === undefined ? "active" : "leaving" };
    return { kind: "decommissioning", sinceMs: leaver.sinceMs, deadlineMs: leaver.deadlineMs };
  }

  resume(record: WorkerRecord): void {
    record.state = this.stateOf(record);
  }

  /** A broken stream took what was said along: a leaver is told again. */
  reconnected(record: WorkerRecord, now: number): void {
    const leaver = this.#leavers.get(record.id);
    if (leaver === undefined) return;
    const { reason, deadlineMs, toldMs } = leaver;
    if (toldMs !== null) this.#ports.send(record.id, { kind: "decommissioned", reason });
    else this.#ports.send(record.id, { kind: "decommission", reason, timeoutMs: Math.max(0, deadlineMs - now) });
  }

  adopted(by: WorkerId, from: WorkerId, outcomes: readonly AdoptionOutcome[], now: number): void {
    const leaver = this.#leavers.get(from);
    let isStale = false;
    for (const { block, error } of outcomes) {
      if (error !== null) {
        leaver?.transfers.failed(block, by);
      } else if (leaver !== undefined && this.#ports.moved(block, from, by)) {
        leaver.transfers.moved(block);
        if (block.kind === "mapOutput") leaver.lastHere.set(`${block.session} ${block.shuffle}`, now);
      } else {
        // The scheduler counts on another copy by now, or on none.
        leaver?.transfers.failed(block, by);
        isStale = true;
      }
    }
    if (leaver === undefined || this.#ports.worker(from)?.state.kind !== "decommissioning") return;
    if (isStale) this.#look(leaver, now);
    this.#assign(leaver, now);
  }

  /** The worker's stream broke: what was on its way to it goes to others; nothing else is decided. */
  away(worker: WorkerId): void {
    this.#receiverGone(worker);
  }

  /** The worker is not counted on any more, in this or an earlier incarnation. */
  gone(worker: WorkerId, reason: string, now: number): void {
    this.#receiverGone(worker);
    const leaver = this.#leavers.get(worker);
    if (leaver === undefined) return;
    this.#leavers.delete(worker);
    if (leaver.toldMs === null) this.#ended(leaver, `it went before it was told to: ${reason}`, now);
  }

  tick(now: number): void {
    for (const leaver of [...this.#leavers.values()]) this.#step(leaver, now);
  }

  progress(worker: WorkerId, now: number): DecommissionProgress | null {
    const leaver = this.#leavers.get(worker);
    if (leaver === undefined) return null;
    return {
      reason: leaver.reason,
      leavesInMs: Math.max(0, leaver.deadlineMs - now),
      attempts: this.#ports.worker(worker)?.attempts.size ?? 0,
      ...this.#waitsFor(leaver),
      ...leaver.transfers.counts,
    };
  }

  /** States the invariants; tests call it after every event. */
  validate(): string[] {
    return [...this.#leavers.values()].flatMap(({ worker, incarnation, transfers }) => {
      const record = this.#ports.worker(worker);
      const wrong = transfers.validate().map((problem) => `${worker} leaves: ${problem}`);
      if (record?.registration.incarnation !== incarnation) wrong.push(`${worker} leaves and is not there`);
      else if (record.state.kind === "active") wrong.push(`${worker} leaves and is active`);
      return wrong;
    });
  }

  #step(leaver: Leaver, now: number): void {
    const record = this.#ports.worker(leaver.worker);
    if (record === undefined) return;
    if (leaver.toldMs !== null) {
      if (now - leaver.toldMs >= this.#options.leaveGraceMs)
        this.#ports.lose(record, "it was told to leave and did not", now);
      return;
    }
    if (now >= leaver.deadlineMs) {
      const reached = record.state.kind === "decommissioning";
      if (reached) this.#leave(leaver, record, "its time is over", now);
      else this.#ports.lose(record, "its time to leave was over while its connection was broken", now);
      return;
    }
    if (record.state.kind !== "decommissioning") return;
    this.#look(leaver, now);
    const receivers = this.#assign(leaver, now);
    if (record.attempts.size > 0) return;
    const { results, readers } = this.#waitsFor(leaver);
    if (results > 0 || readers > 0) return;
    const { transfers } = leaver;
    if (!transfers.isBusy) {
      const { blocksLeft } = transfers.counts;
      const reason =
        blocksLeft === 0 ? "nothing of it is needed any more" : `nobody takes its last ${blocksLeft} blocks`;
      this.#leave(leaver, record, reason, now);
    } else if (receivers === 0 && !transfers.isMoving && !this.#mayComeBack(leaver.worker)) {
      this.#leave(leaver, record, "there is no other worker that could take what it holds", now);
    }
  }

  #look(leaver: Leaver, now: number): void {
    const { worker, transfers, lastHere } = leaver;
    const isActive = (id: WorkerId) => this.#ports.worker(id)?.state.kind === "active";
    const held = [...heldBlocks(this.#ports.sessions().values(), worker, isActive)];
    for (const block of held) {
      if (block.kind === "mapOutput") lastHere.set(`${block.session} ${block.shuffle}`, now);
    }
    transfers.look(held);
  }

  /** How many receivers there are. */
  #assign({ worker, transfers }: Leaver, now: number): number {
    const from = this.#ports.worker(worker);
    const receivers: Receiver[] = [];
    for (const { id, state, registration } of this.#ports.workers()) {
      if (state.kind === "active") receivers.push({ worker: id, role: registration.role, node: registration.node });
    }
    if (from === undefined) return receivers.length;
    for (const [to, blocks] of transfers.assign(receivers, now))
      this.#ports.send(to, { kind: "adopt", from: from.registration.address, blocks });
    return receivers.length;
  }

  /** Whether another worker has just begun, or has lost its stream a moment ago. */
  #mayComeBack(leaver: WorkerId): boolean {
    return [...this.#ports.workers()].some(
      ({ id, state }) =>
        id !== leaver && !this.has(id) && (state.kind === "registering" || state.kind === "disconnected"),
    );
  }

  #waitsFor({ worker, lastHere }: Leaver): { readonly results: number; readonly readers: number } {
    return {
      results: countResults(this.#ports.sessions().values(), worker),
      readers: countReaders(this.#ports.workers(), worker, lastHere),
    };
  }

  #leave(leaver: Leaver, record: WorkerRecord, reason: string, now: number): void {
    leaver.toldMs = now;
    this.#look(leaver, now);
    record.state = { kind: "leaving" };
    this.#ports.giveUpAttempts(record, reason, now);
    this.#ports.send(record.id, { kind: "decommissioned", reason });
    this.#ended(leaver, reason, now);
  }

  #ended({ worker, sinceMs, transfers }: Leaver, reason: string, now: number): void {
    const { counts } = transfers;
    this.#ports.emit({ kind: "decommissionEnded", worker, reason, elapsedMs: now - sinceMs, counts });
  }

  #receiverGone(worker: WorkerId): void {
    for (const { transfers } of this.#leavers.values()) transfers.receiverGone(worker);
  }
}
