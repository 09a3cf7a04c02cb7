// Errors of calls: sealed in the trailer with code and fields, never as bare text. What gRPC itself reports becomes one of
// our codes.

import type { Metadata, ServiceError } from "@grpc/grpc-js";
import { type ErrorCode, fromWireError, MillraceError, toWireError, type WireError } from "../../core/errors.js";
import type { CallSeal } from "../access/seal.js";
import { decodeWireError, encodeWireError } from "../codecs/index.js";
import type { GrpcLibrary } from "./library.js";

const TRAILER = "millrace-error-bin";
/** HTTP/2 peers refuse headers of 64 KiB; base64 and others need room too. */
const TRAILER_BYTES = 16 * 1024;

/** What a handler ends its call with. Without a seal (the call was not authenticated) only the code leaves. */
export function toServiceError(grpc: GrpcLibrary, error: unknown, seal: CallSeal | null) {
  const wire = toWireError(error);
  const metadata = new grpc.Metadata();
  if (seal !== null) metadata.set(TRAILER, seal.sealLast(encodeShort(wire)));
  const status = wire.code === "AUTHENTICATION_FAILED" ? grpc.status.UNAUTHENTICATED : grpc.status.ABORTED;
  return { code: status, details: wire.code, metadata };
}

/** Why a call failed, for its caller. `lost` is the code for a connection that broke. */
export function fromServiceError(error: ServiceError, seal: CallSeal, address: string, lost: ErrorCode): MillraceError {
  const [sealed] = (error.metadata as Metadata | undefined)?.get(TRAILER) ?? [];
  if (Buffer.isBuffer(sealed)) {
    try {
      return fromWireError(decodeWireError(seal.openLast(sealed)));
    } catch (broken) {
      return new MillraceError("PROTOCOL_ERROR", `${address} sent an error that cannot be read`, { cause: broken });
    }
  }
  if (error.code === 4) {
    return new MillraceError("TIMEOUT", `${address} did not answer ${seal.method} in time`, { fields: { address } });
  }
  if (error.code === 16) {
    return new MillraceError("AUTHENTICATION_FAILED", `${address} refused ${seal.method}`, { fields: { address } });
  }
  return new MillraceError(lost, `the connection to ${address} ended: ${error.details || error.message}`, {
    fields: { address, status: error.code },
  });
}

/** Of a large error the code and message are kept, then stacks and causes while they fit. */
function encodeShort(wire: WireError): Uint8Array {
  const whole = encodeWireError(wire);
  if (whole.byteLength <= TRAILER_BYTES) return whole;
  const { cause: _cause, ...outer } = wire;
  const alone = encodeWireError(outer);
  if (alone.byteLength <= TRAILER_BYTES) return alone;
  return encodeWireError({ code: wire.code, message: wire.message.slice(0, TRAILER_BYTES / 8), fields: {} });
}
