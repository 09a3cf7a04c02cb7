// A Connection over one bidirectional gRPC stream, either end. Messages larger than 256 KiB go in pieces, each with a flag
// byte (more, last, goodbye), so that no message keeps the others of the connection waiting for long.

import { MillraceError } from "../../core/errors.js";
import type { CallSeal } from "../access/seal.js";
import { type Connection, ConnectionHandlers } from "../connection.js";
import { MAX_MESSAGE_BYTES, MAX_UNREAD_BYTES, PIECE_BYTES } from "./library.js";

/** What a gRPC stream has, at either end. */
interface WireStream {
  write(bytes: Buffer, flushed: () => void): boolean;
  end(): void;
}

const LAST = Buffer.of(0);
const MORE = Buffer.of(1);
/** Said before a side ends on purpose: an end without it is a lost connection. */
const GOODBYE = Buffer.of(2);
const EMPTY = new Uint8Array(0);

export class StreamConnection implements Connection {
  readonly #handlers = new ConnectionHandlers();
  #pieces: Uint8Array[] = [];
  #piecesBytes = 0;
  #buffered = 0;
  #closing = false;
  #goodbye = false;

  constructor(
    private readonly stream: WireStream,
    private readonly seal: CallSeal,
    /** Told when more than MAX_UNREAD_BYTES wait for the other side; nothing is sent any more. null: whoever sends is careful. */
    private readonly onUnread: ((waitingBytes: number) => void) | null = null,
  ) {}

  get bufferedBytes(): number {
    return this.#buffered;
  }

  send(bytes: Uint8Array): void {
    if (this.#closing || this.#handlers.isEnded) return;
    if (this.onUnread !== null && this.#buffered > MAX_UNREAD_BYTES) {
      this.onUnread(this.#buffered);
      return;
    }
    for (let at = 0; at === 0 || at < bytes.byteLength; at += PIECE_BYTES) {
      const end = at + PIECE_BYTES;
      this.#write(this.seal.seal(bytes.subarray(at, end), end < bytes.byteLength ? MORE : LAST));
    }
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.#handlers.onMessage(handler);
  }

  onClose(handler: (error: Error | null) => void): void {
    this.#handlers.onClose(handler);
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (!this.#handlers.isEnded) this.#write(this.seal.seal(EMPTY, GOODBYE));
    this.stream.end();
  }

  /** A sealed message from the wire. @throws AUTHENTICATION_FAILED, PROTOCOL_ERROR: the stream must end then */
  receive(sealed: Uint8Array): void {
    const payload = this.seal.open(sealed);
    const flag = payload[0];
    if (flag === 2) {
      this.#goodbye = true;
      return;
    }
    if (flag !== 0 && flag !== 1) throw new MillraceError("PROTOCOL_ERROR", "a piece of a message has no flag");
    const piece = payload.subarray(1);
    if (flag === 0 && this.#pieces.length === 0) {
      this.#handlers.message(piece);
      return;
    }
    this.#pieces.push(piece);
    this.#piecesBytes += piece.byteLength;
    if (this.#piecesBytes > MAX_MESSAGE_BYTES) {
      throw new MillraceError("PROTOCOL_ERROR", `a message is larger than ${MAX_MESSAGE_BYTES} bytes`);
    }
    if (flag === 1) return;
    const whole = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#handlers.message(whole);
  }

  /** The other side sends nothing more: on purpose after its goodbye or ours, else `lost` says why. */
  finished(lost: () => Error): void {
    this.ended(this.#goodbye || this.#closing ? null : lost());
  }

  ended(error: Error | null): void {
    this.#buffered = 0;
    this.#pieces = [];
    this.#handlers.end(error);
  }

  #write(sealed: Buffer): void {
    this.#buffered += sealed.byteLength;
    this.stream.write(sealed, () => {
      this.#buffered = Math.max(0, this.#buffered - sealed.byteLength);
    });
  }
}
