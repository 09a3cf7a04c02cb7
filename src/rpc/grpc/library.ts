// grpc-js takes 50 ms to load, so it is loaded when the first server or channel needs it. Here too: limits and settings that
// both ends share, and the methods. Payloads are opaque to gRPC: they are sealed (access/seal.ts) and encoded by ourselves.

import type * as Grpc from "@grpc/grpc-js";
import type { Role } from "../access/roles.js";

export type GrpcLibrary = typeof Grpc;

export async function loadGrpc(): Promise<GrpcLibrary> {
  const loaded = (await import("@grpc/grpc-js")) as GrpcLibrary & { default?: GrpcLibrary };
  return loaded.default ?? loaded;
}

/** Pieces of a message or block on the wire. */
export const PIECE_BYTES = 256 * 1024;
/** No single gRPC message is larger, whoever sends it. */
export const MAX_WIRE_BYTES = 4 * 1024 * 1024;
/** No message put together from pieces is larger. */
export const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;
/** At 2 ms round trip HTTP/2's own 64 KiB window gives 16 MB/s, and on a busy machine a round trip is several times as long. */
export const BLOCK_WINDOW_BYTES = 8 * 1024 * 1024;
/** The least window of a stream, where many share what may be in flight. */
export const MIN_WINDOW_BYTES = 64 * 1024;
/** Chunks that a receiver holds of one stream, and that a server has handed to it and the network has not taken. */
export const CHUNKS_AHEAD = 4;
/** What may wait for a peer that does not read its control stream before it is given up. */
export const MAX_UNREAD_BYTES = 64 * 1024 * 1024;

export interface Method {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly roles: readonly Role[];
}

export const methods = {
  workers: { path: "/millrace.Workers/Control", requestStream: true, responseStream: true, roles: ["worker"] },
  drivers: { path: "/millrace.Drivers/Session", requestStream: true, responseStream: true, roles: ["driver"] },
  blobs: { path: "/millrace.Blobs/Get", requestStream: false, responseStream: true, roles: ["worker", "driver"] },
  blocks: { path: "/millrace.Blocks/Fetch", requestStream: false, responseStream: true, roles: ["worker", "master"] },
  admin: { path: "/millrace.Admin/Ask", requestStream: false, responseStream: false, roles: ["admin"] },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof methods;

/** Messages are bytes already. */
export function passBytes(bytes: Buffer): Buffer {
  return bytes;
}
