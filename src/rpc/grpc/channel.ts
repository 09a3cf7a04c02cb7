// The client's end: one TCP connection to one server, greeted (access/handshake.ts) before gRPC speaks on it. It never
// reconnects by itself: keys belong to a connection, and what a lost connection means is its owner's to decide. Control and
// blocks use a channel each, so that blocks never delay control.

import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import type { Client, ServiceError } from "@grpc/grpc-js";
import { type ErrorCode, MillraceError } from "../../core/errors.js";
import type { BlobHash } from "../../core/ids.js";
import { pack, unpack } from "../../core/packed.js";
import { type ClientIdentity, greet } from "../access/handshake.js";
import type { CallSeal, SecureSession } from "../access/seal.js";
import { secureDialled } from "../access/tls.js";
import type { Connection } from "../connection.js";
import { fromServiceError } from "./errors.js";
import {
  BLOCK_WINDOW_BYTES,
  CHUNKS_AHEAD,
  type GrpcLibrary,
  loadGrpc,
  MAX_WIRE_BYTES,
  methods,
  passBytes,
} from "./library.js";
import { StreamConnection } from "./stream-connection.js";

export interface DialOptions extends ClientIdentity {
  /** host:port */
  readonly address: string;
  /** `blocks` has the large flow-control window. */
  readonly purpose?: "control" | "blocks";
  /** Of `blocks`: what each stream may have sent that nobody has read. Default BLOCK_WINDOW_BYTES. */
  readonly windowBytes?: number;
  /** Default 10 s, for connecting and greeting together. */
  readonly timeoutMs?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** How long the other side may be silent. Default 30 s. */
  readonly timeoutMs?: number;
}

const DIAL_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 30_000;

/** @throws MASTER_UNREACHABLE, NOT_A_MASTER, VERSION_MISMATCH, AUTHENTICATION_FAILED, TLS_FAILED, all within the timeout */
export async function dial(options: DialOptions): Promise<RpcChannel> {
  const grpc = await loadGrpc();
  const { address, timeoutMs = DIAL_TIMEOUT_MS } = options;
  const deadline = Date.now() + timeoutMs;
  const greeting = new Greeting(options, timeoutMs);
  const client = new grpc.Client(address, greeting.credentials(grpc), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_send_message_length": MAX_WIRE_BYTES,
    "grpc.max_receive_message_length": MAX_WIRE_BYTES,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.enable_retries": 0,
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.client_idle_timeout_ms": 0x7fffffff,
    ...(options.purpose === "blocks"
      ? { "grpc-node.flow_control_window": options.windowBytes ?? BLOCK_WINDOW_BYTES }
      : {}),
  });
  try {
    await connected(grpc, client, deadline);
  } catch (error) {
    client.close();
    throw greeting.error ?? unreachable(address, timeoutMs, error);
  }
  if (greeting.session === null) throw unreachable(address, timeoutMs, null);
  return new RpcChannel(client, greeting.session, address);
}

export class RpcChannel {
  constructor(
    private readonly client: Client,
    private readonly session: SecureSession,
    readonly address: string,
  ) {}

  /** A conversation as the channel's role: worker with master, or driver with master. */
  open(service: "workers" | "drivers"): Connection {
    const { path } = methods[service];
    const seal = this.session.openCall(path);
    const stream = this.client.makeBidiStreamRequest<Buffer, Buffer>(path, passBytes, passBytes);
    const connection = new StreamConnection(stream, seal);
    // The server knows the call by its first message.
    stream.write(seal.seal(new Uint8Array(0)));
    stream.on("data", (sealed: Buffer) => {
      try {
        connection.receive(sealed);
      } catch (error) {
        connection.ended(error as Error);
        stream.cancel();
      }
    });
    stream.on("error", (error: ServiceError) =>
      connection.ended(fromServiceError(error, seal, this.address, "MASTER_LOST")),
    );
    // The status says whether the end was an orderly one; an error has been reported by then.
    stream.on("status", () => {
      stream.end();
      const lost = () => new MillraceError("MASTER_LOST", `${this.address} ended the conversation without a goodbye`);
      // An error event for the same status follows in this turn.
      setImmediate(() => connection.finished(lost));
    });
    return connection;
  }

  /**
   * Streams what `request` (plain data) names from a block server, chunk by chunk; the next chunk comes when the promise that
   * `onChunk` may answer is settled. A chunk becomes the receiver's own.
   * @throws what the server threw; FETCH_FAILED when the connection breaks or 30 s pass in silence
   */
  fetch(request: unknown, onChunk: (chunk: Uint8Array) => unknown, options: CallOptions = {}): Promise<void> {
    return this.#pull("blocks", request, onChunk, "FETCH_FAILED", options);
  }

  /** A blob by its hash, checked. @throws BLOCK_CORRUPT, MASTER_LOST, or what the server threw */
  async getBlob(hash: BlobHash, options: CallOptions = {}): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    await this.#pull("blobs", hash, (chunk) => chunks.push(chunk), "MASTER_LOST", options);
    const bytes = Buffer.concat(chunks);
    const found = createHash("sha256").update(bytes).digest("hex");
    if (found !== hash) {
      throw new MillraceError("BLOCK_CORRUPT", `the blob ${hash} from ${this.address} has the hash ${found}`, {
        fields: { hash, found },
      });
    }
    return bytes;
  }

  /** A question to the master as plain data, and its answer. */
  ask(question: unknown, { timeoutMs = CALL_TIMEOUT_MS }: CallOptions = {}): Promise<unknown> {
    const { path } = methods.admin;
    const seal = this.session.openCall(path);
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + timeoutMs;
      const sealed = seal.seal(pack(question ?? null));
      this.client.makeUnaryRequest<Buffer, Buffer>(
        path,
        passBytes,
        passBytes,
        sealed,
        { deadline },
        (error, answer) => {
          if (error !== null) return reject(fromServiceError(error, seal, this.address, "MASTER_LOST"));
          try {
            resolve(unpack(seal.open(answer as Buffer)));
          } catch (broken) {
            reject(broken);
          }
        },
      );
    });
  }

  /** Ends the connection; calls still running fail. */
  close(): void {
    this.client.close();
  }

  async #pull(
    service: "blobs" | "blocks",
    request: unknown,
    onChunk: (chunk: Uint8Array) => unknown,
    lost: ErrorCode,
    { signal, timeoutMs = CALL_TIMEOUT_MS }: CallOptions,
  ): Promise<void> {
    signal?.throwIfAborted();
    const { path } = methods[service];
    const seal: CallSeal = this.session.openCall(path);
    const sealed = seal.seal(pack(request));
    const stream = this.client.makeServerStreamRequest<Buffer, Buffer>(path, passBytes, passBytes, sealed);
    holdFewMessages(stream);
    let silent = false;
    let complete = false;
    // A taker that lets the other side wait does not make it silent.
    let taking = false;
    const abort = () => stream.cancel();
    const timer = setTimeout(() => {
      if (taking) return void timer.refresh();
      silent = true;
      stream.cancel();
    }, timeoutMs);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      for await (const sealedChunk of stream) {
        const chunk = seal.open(sealedChunk as Buffer, "bulk");
        complete = chunk.byteLength === 0;
        taking = true;
        if (!complete) await onChunk(chunk);
        taking = false;
        timer.refresh();
      }
      if (!complete) throw new MillraceError(lost, `${this.address} ended a stream before its end`);
    } catch (error) {
      stream.cancel();
      signal?.throwIfAborted();
      if (silent) {
        throw new MillraceError(lost, `${this.address} was silent for ${timeoutMs} ms`, { fields: { timeoutMs } });
      }
      throw isServiceError(error) ? fromServiceError(error, seal, this.address, lost) : error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }
}

/** gRPC reads 16 messages ahead, 4 MiB a stream whatever the window is, and has no option for it: Node's own field then. */
function holdFewMessages(stream: object): void {
  const { _readableState: state } = stream as { readonly _readableState?: { highWaterMark: number } };
  if (state !== undefined) state.highWaterMark = CHUNKS_AHEAD;
}

/** The one greeting of a channel: gRPC's hook for securing a socket, used once. */
class Greeting {
  session: SecureSession | null = null;
  error: unknown = null;
  #used = false;

  constructor(
    private readonly options: DialOptions,
    private readonly timeoutMs: number,
  ) {}

  credentials(grpc: GrpcLibrary): InstanceType<GrpcLibrary["ChannelCredentials"]> {
    const greeting = this;
    class GreetedCredentials extends grpc.ChannelCredentials {
      override _isSecure(): boolean {
        return false;
      }
      override _equals(other: unknown): boolean {
        return this === other;
      }
      override _createSecureConnector(): ReturnType<
        InstanceType<GrpcLibrary["ChannelCredentials"]>["_createSecureConnector"]
      > {
        return {
          connect: async (socket) => {
            return { socket: await greeting.#greet(socket), secure: false };
          },
          waitForReady: () => Promise.resolve(),
          getCallCredentials: () => grpc.CallCredentials.createEmpty(),
          destroy: () => undefined,
        };
      }
    }
    return new GreetedCredentials();
  }

  /** The socket that gRPC goes on with. */
  async #greet(dialled: Socket): Promise<Socket> {
    if (this.#used) throw new MillraceError("MASTER_LOST", `the connection to ${this.options.address} ended`);
    this.#used = true;
    const reserve = Math.max(1, this.timeoutMs - 100);
    try {
      const { address, tls = null } = this.options;
      const timeoutMs = Math.min(5_000, reserve);
      const socket = tls === null ? dialled : await secureDialled(dialled, address, tls, timeoutMs);
      this.session = await greet(socket, address, this.options, timeoutMs);
      return socket;
    } catch (error) {
      this.error = error;
      throw error;
    }
  }
}

/** Rejects at the first failure: gRPC by itself would go on trying with growing pauses. */
function connected(grpc: GrpcLibrary, client: Client, deadline: number): Promise<void> {
  const channel = client.getChannel();
  const { READY, TRANSIENT_FAILURE, SHUTDOWN } = grpc.connectivityState;
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const state = channel.getConnectivityState(true);
      if (state === READY) resolve();
      else if (state === TRANSIENT_FAILURE || state === SHUTDOWN) reject(new Error("the connection was refused"));
      else channel.watchConnectivityState(state, deadline, (error) => (error === undefined ? look() : reject(error)));
    };
    look();
  });
}

function unreachable(address: string, timeoutMs: number, cause: unknown): MillraceError {
  return new MillraceError("MASTER_UNREACHABLE", `nothing answers at ${address} (waited at most ${timeoutMs} ms)`, {
    fields: { address, timeoutMs },
    ...(cause === null ? {} : { cause }),
  });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && typeof (error as ServiceError).code === "number";
}
