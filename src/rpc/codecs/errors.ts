// WireError <-> protobuf. The chain of causes lies flat on the wire; of a chain longer than 32 the innermost are left out.

import { errorCatalog } from "../../core/error-codes.js";
import type { ErrorCode, ErrorFields, WireError } from "../../core/errors.js";
import { pack, unpack } from "../../core/packed.js";
import type { millrace as pb } from "../generated/messages.js";
import { malformed, required } from "./wire.js";

const MAX_CAUSES = 32;

export function toProtoError(error: WireError): pb.WireError.$Properties {
  const links: pb.ErrorLink.$Properties[] = [];
  for (let at: WireError | undefined = error; at !== undefined && links.length < MAX_CAUSES; at = at.cause) {
    links.push({ code: at.code, message: at.message, fields: pack(at.fields), stack: at.stack ?? null });
  }
  return { links };
}

export function fromProtoError(
  message: pb.WireError | pb.WireError.$Properties | null | undefined,
  field: string,
): WireError {
  const links = required(message, field).links ?? [];
  if (links.length === 0) throw malformed(`${field} is empty`);
  let error: WireError | undefined;
  for (const link of [...links].reverse()) {
    const fields = link.fields ?? new Uint8Array();
    error = {
      code: codeOf(link.code ?? ""),
      message: link.message ?? "",
      fields: fields.byteLength === 0 ? {} : unpack<ErrorFields>(fields),
      ...(link.stack === null || link.stack === undefined ? {} : { stack: link.stack }),
      ...(error === undefined ? {} : { cause: error }),
    };
  }
  return error as WireError;
}

export function encodeWireError(error: WireError): Uint8Array {
  return pack(error);
}

export function decodeWireError(bytes: Uint8Array): WireError {
  const error = unpack<WireError>(bytes);
  if (typeof error !== "object" || error === null || typeof error.message !== "string") throw malformed("an error");
  return { ...error, code: codeOf(error.code), fields: error.fields ?? {} };
}

/** A code that this version does not know is a fault, but its message is worth keeping. */
function codeOf(code: string): ErrorCode {
  return Object.hasOwn(errorCatalog, code) ? (code as ErrorCode) : "INTERNAL";
}
