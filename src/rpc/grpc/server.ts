// The server's end: a bare TCP listener that greets every peer (access/handshake.ts, 4 KiB and 5 s) and hands only proven
// ones to gRPC. Handlers get bytes that were authenticated and the Principal who sent them; they hold no logic here.

import { createServer, type Socket, type Server as TcpServer } from "node:net";
import type { handleBidiStreamingCall, handleServerStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import { MillraceError } from "../../core/errors.js";
import type { BlobHash } from "../../core/ids.js";
import { pack, unpack } from "../../core/packed.js";
import { admit } from "../access/handshake.js";
import { checkListen, formatAddress } from "../access/listen-policy.js";
import type { Principal, Role } from "../access/roles.js";
import type { CallSeal, SecureSession } from "../access/seal.js";
import type { Secret } from "../access/secret.js";
import { secureListener, type TlsIdentity } from "../access/tls.js";
import type { Connection } from "../connection.js";
import { toServiceError } from "./errors.js";
import {
  CHUNKS_AHEAD,
  type GrpcLibrary,
  loadGrpc,
  MAX_UNREAD_BYTES,
  MAX_WIRE_BYTES,
  type MethodName,
  methods,
  PIECE_BYTES,
  passBytes,
} from "./library.js";
import { StreamConnection } from "./stream-connection.js";

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** What a server offers; a method without a handler is not served, nor are roles that only it would admit. */
export interface Services {
  /** A worker's control conversation. */
  readonly workers?: (connection: Connection, peer: Principal) => void;
  /** A driver's session. */
  readonly drivers?: (connection: Connection, peer: Principal) => void;
  /** A blob's bytes. Throws for one that is not there. */
  readonly blobs?: (hash: BlobHash, peer: Principal) => Uint8Array | Promise<Uint8Array>;
  /** The bytes that a request names, in chunks of at most 1 MiB. */
  readonly blocks?: (request: unknown, peer: Principal) => Chunks;
  /** Plain data asked and answered: `millrace status`. */
  readonly admin?: (question: unknown, peer: Principal) => unknown;
}

export interface ServeOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** What others dial, where it is not `host`. */
  readonly advertise?: string;
  /** Allows a host that is not loopback without TLS. */
  readonly insecure?: boolean;
  readonly secret: Secret;
  /** Peers have to show a certificate of the same authority, and all is encrypted. Default null. */
  readonly tls?: TlsIdentity | null;
  readonly version: string;
  readonly services: Services;
  /** How long a peer may take to prove itself. Default 5 s. */
  readonly greetingMs?: number;
  /** Peers that were turned away, for the log. */
  readonly onRefused?: (error: Error) => void;
}

const TLS_HANDSHAKE_MS = 5_000;
/** Greetings under way at once; more are cut off. */
const MAX_GREETINGS = 1024;

/** @throws INSECURE_LISTEN, PORT_IN_USE, PERMISSION_DENIED, INVALID_OPTION (host) */
export async function serve(options: ServeOptions): Promise<RpcServer> {
  checkListen(options.host, (options.insecure ?? false) || (options.tls ?? null) !== null);
  const grpc = await loadGrpc();
  const server = new RpcServer(grpc, options);
  await server.listen();
  return server;
}

export class RpcServer {
  readonly #listener: TcpServer;
  readonly #grpc: InstanceType<GrpcLibrary["Server"]>;
  readonly #inject: (socket: Socket) => void;
  readonly #roles: readonly Role[];
  readonly #sockets = new Set<Socket>();
  /** By the peer's address as gRPC names it: unique while the connection lives. */
  readonly #sessions = new Map<string, SecureSession>();
  #greetings = 0;
  #port = 0;

  constructor(
    private readonly grpc: GrpcLibrary,
    private readonly options: ServeOptions,
  ) {
    this.#grpc = new grpc.Server({
      "grpc.max_send_message_length": MAX_WIRE_BYTES,
      "grpc.max_receive_message_length": MAX_WIRE_BYTES,
      "grpc.enable_channelz": 0,
      // A peer that vanished without a word leaves a socket that nothing else would ever end.
      "grpc.keepalive_time_ms": 20_000,
      "grpc.keepalive_timeout_ms": 10_000,
    });
    const offered = (Object.keys(methods) as MethodName[]).filter((name) => options.services[name] !== undefined);
    this.#roles = [...new Set(offered.flatMap((name) => methods[name].roles as readonly Role[]))];
    for (const name of offered) this.#register(name);
    const injector = this.#grpc.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    this.#inject = (socket) => injector.injectConnection(socket);
    this.#listener = this.#makeListener();
  }

  #makeListener(): TcpServer {
    const { tls = null, greetingMs = TLS_HANDSHAKE_MS, onRefused } = this.options;
    if (tls === null) return createServer({ noDelay: true }, (socket) => void this.#accept(socket));
    const secured = (socket: Socket) => void this.#accept(socket);
    const listener = secureListener(tls, greetingMs, secured, (error) => onRefused?.(error));
    // Before it is decrypted a socket counts already: closing ends it, too.
    listener.on("connection", (socket: Socket) => {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    return listener;
  }

  /** host:port for others to dial. */
  get address(): string {
    return formatAddress(this.options.advertise ?? this.options.host, this.#port);
  }

  get port(): number {
    return this.#port;
  }

  listen(): Promise<void> {
    const { host, port } = this.options;
    return new Promise((resolve, reject) => {
      this.#listener.once("error", (error) => reject(listenError(error, host, port)));
      this.#listener.listen({ host, port, backlog: 511 }, () => {
        this.#listener.removeAllListeners("error");
        // Running out of descriptors must not end the process: accepting goes on when some are free.
        this.#listener.on("error", (error) => this.options.onRefused?.(error));
        const bound = this.#listener.address();
        this.#port = typeof bound === "object" && bound !== null ? bound.port : port;
        resolve();
      });
    });
  }

  /** Stops listening and ends every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.#grpc.forceShutdown();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #accept(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    const name = `${socket.remoteAddress}:${socket.remotePort}`;
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#sessions.delete(name);
    });
    // Reported to whoever reads the socket; without a listener a reset would end the process.
    socket.on("error", () => undefined);
    if (this.#greetings >= MAX_GREETINGS) {
      socket.destroy();
      return;
    }
    this.#greetings++;
    try {
      const { secret, version, greetingMs } = this.options;
      this.#sessions.set(name, await admit(socket, { secret, version, roles: this.#roles }, greetingMs));
      this.#inject(socket);
    } catch (error) {
      socket.destroySoon();
      this.options.onRefused?.(error as Error);
    } finally {
      this.#greetings--;
    }
  }

  /** Ends the connection of the peer that gRPC names so, whatever it has not read. */
  #cutOff(peer: string): void {
    for (const socket of this.#sockets) if (`${socket.remoteAddress}:${socket.remotePort}` === peer) socket.destroy();
  }

  #register(name: MethodName): void {
    const { path, requestStream, responseStream } = methods[name];
    const definition = {
      path,
      requestStream,
      responseStream,
      requestSerialize: passBytes,
      requestDeserialize: passBytes,
      responseSerialize: passBytes,
      responseDeserialize: passBytes,
    };
    this.#grpc.addService({ [name]: definition }, { [name]: this.#handler(name) });
  }

  #handler(name: MethodName) {
    const { workers, drivers, blobs, blocks, admin } = this.options.services;
    switch (name) {
      case "workers":
        return this.#conversation(name, workers!);
      case "drivers":
        return this.#conversation(name, drivers!);
      case "blobs":
        return this.#streaming(name, (request, peer) => blobChunks(blobs!, request, peer));
      case "blocks":
        return this.#streaming(name, blocks!);
      case "admin":
        return this.#unary(admin!);
    }
  }

  #conversation(
    name: "workers" | "drivers",
    handle: (connection: Connection, peer: Principal) => void,
  ): handleBidiStreamingCall<Buffer, Buffer> {
    return (call) => {
      const peer = call.getPeer();
      const lost = () => new MillraceError("WORKER_LOST", `the connection from ${peer} ended`, { fields: { peer } });
      let seal: CallSeal | null = null;
      let connection: StreamConnection | null = null;
      call.on("data", (sealed: Buffer) => {
        try {
          if (connection !== null) return connection.receive(sealed);
          const opened = this.#open(name, peer, sealed);
          seal = opened.seal;
          checkRole(name, opened.session.peer);
          connection = new StreamConnection(call, seal, (waiting) => {
            connection?.ended(notReading(peer, waiting));
            // A status would wait behind all that is not read.
            this.#cutOff(peer);
          });
          handle(connection, opened.session.peer);
        } catch (error) {
          connection?.ended(error as Error);
          call.emit("error", toServiceError(this.grpc, error, seal));
        }
      });
      call.on("end", () => {
        if (connection === null) call.emit("error", toServiceError(this.grpc, lost(), seal));
        else call.end();
        connection?.finished(lost);
      });
      for (const event of ["cancelled", "error", "close"]) call.on(event, () => connection?.finished(lost));
    };
  }

  #streaming(
    name: "blobs" | "blocks",
    produce: (request: unknown, peer: Principal) => Chunks,
  ): handleServerStreamingCall<Buffer, Buffer> {
    return async (call) => {
      let seal: CallSeal | null = null;
      let unsent = 0;
      // Whatever ends the call wakes a writer that waits for room.
      let wake = () => {};
      for (const event of ["cancelled", "close"]) call.on(event, () => wake());
      call.on("error", () => wake());
      try {
        const opened = this.#open(name, call.getPeer(), call.request);
        seal = opened.seal;
        checkRole(name, opened.session.peer);
        for await (const chunk of produce(unpack(opened.payload), opened.session.peer)) {
          if (chunk.byteLength === 0) continue;
          const sealed = seal.seal(chunk, undefined, "bulk");
          unsent += sealed.byteLength;
          // write() itself answers false only when 16 messages wait: it counts objects.
          call.write(sealed, () => {
            unsent -= sealed.byteLength;
            wake();
          });
          while (
            unsent >= Math.max(CHUNKS_AHEAD * sealed.byteLength, PIECE_BYTES) &&
            !call.cancelled &&
            !call.destroyed
          )
            await new Promise<void>((resolve) => (wake = resolve));
          if (call.cancelled || call.destroyed) return;
        }
        // An empty chunk is the proven end: a stream that was cut off has none.
        call.write(seal.seal(new Uint8Array(0), undefined, "bulk"));
        call.end();
      } catch (error) {
        call.emit("error", toServiceError(this.grpc, error, seal));
      }
    };
  }

  #unary(answer: (question: unknown, peer: Principal) => unknown): handleUnaryCall<Buffer, Buffer> {
    return async (call, done) => {
      let seal: CallSeal | null = null;
      try {
        const opened = this.#open("admin", call.getPeer(), call.request);
        seal = opened.seal;
        checkRole("admin", opened.session.peer);
        done(null, seal.seal(pack((await answer(unpack(opened.payload), opened.session.peer)) ?? null)));
      } catch (error) {
        done(toServiceError(this.grpc, error, seal));
      }
    };
  }

  /** Who calls, from the connection's greeting and the first message's code. */
  #open(name: MethodName, peer: string, first: Uint8Array) {
    const session = this.#sessions.get(peer);
    if (session === undefined) throw new MillraceError("AUTHENTICATION_FAILED", `no greeting came from ${peer}`);
    return { session, ...session.acceptCall(methods[name].path, first) };
  }
}

/** After the call is authenticated, so that its refusal can be sealed. */
function checkRole(name: MethodName, { role }: Principal): void {
  const { path, roles } = methods[name];
  if ((roles as readonly Role[]).includes(role)) return;
  throw new MillraceError("PERMISSION_REFUSED", `the role ${role} may not call ${path}`, {
    fields: { role, method: path },
  });
}

async function* blobChunks(blobs: NonNullable<Services["blobs"]>, hash: unknown, peer: Principal) {
  if (typeof hash !== "string") throw new MillraceError("PROTOCOL_ERROR", "a blob is asked for without its hash");
  const bytes = await blobs(hash as BlobHash, peer);
  for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

function notReading(peer: string, bytes: number): MillraceError {
  const message = `${peer} did not read its control stream: ${bytes} bytes waited for it, at most ${MAX_UNREAD_BYTES} may. It hangs, or its machine or network is too slow`;
  return new MillraceError("PEER_NOT_READING", message, { fields: { peer, bytes, limit: MAX_UNREAD_BYTES } });
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): MillraceError {
  const fields = { host, port, code: error.code ?? "" };
  switch (error.code) {
    case "EADDRINUSE":
      return new MillraceError("PORT_IN_USE", `another process listens on ${formatAddress(host, port)}`, { fields });
    case "EACCES":
      return new MillraceError("PERMISSION_DENIED", `this user may not listen on port ${port}`, { fields });
    default:
      return new MillraceError("INVALID_OPTION", `cannot listen on ${formatAddress(host, port)}: ${error.message}`, {
        fields,
        cause: error,
      });
  }
}
