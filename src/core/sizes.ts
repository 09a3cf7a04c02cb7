// Sizes and durations as people write them, both ways. Strict: what does not read completely is refused with the form that
// was expected, because a size read wrongly in silence ("512m" as 512) is found in production.

import { MillraceError } from "./errors.js";

const unitBytes: Readonly<Record<string, number>> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

export interface ParseBytesOptions {
  /** What is being read, for the message: "option memory". Default "size". */
  readonly what?: string;
  /** The unit of a text without one: Spark reads worker memory in megabytes. Default bytes. */
  readonly plainUnit?: "b" | "m";
}

/** Whole bytes of "512m", "1.5g", "64 KiB", "1048576" or the number 1048576. Units are powers of 1,024. */
export function parseBytes(value: unknown, options: ParseBytesOptions = {}): number {
  const what = options.what ?? "size";
  if (typeof value === "number") {
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw invalid(what, value, "a whole number of bytes, or a text such as 512m or 1.5g");
  }
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?(?:([kmgt])(?:i?b)?|b)?$/i.exec(value.trim()) : null;
  const [text, digits, letter] = match ?? [];
  if (text === undefined || digits === undefined) {
    throw invalid(what, value, "a size such as 512m, 1.5g or 65536 was expected");
  }
  const hasUnit = letter !== undefined || /b$/i.test(text);
  const unit = letter?.toLowerCase() ?? (hasUnit ? "b" : (options.plainUnit ?? "b"));
  const bytes = Math.floor(Number(digits) * unitBytes[unit]!);
  if (!Number.isSafeInteger(bytes)) throw invalid(what, value, "a size below 8192 t was expected");
  if (unit === "b" && digits.includes(".")) throw invalid(what, value, "a part of a byte cannot be had");
  return bytes;
}

/** "1.5 GiB", "512 MiB", "17 B": at most one decimal. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  // 1023.95 would print as 1024.0.
  while (Math.abs(value) >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? String(value) : value.toFixed(1).replace(/\.0$/, "")} ${units[unit]}`;
}

/** Milliseconds of "500ms", "3s", "1.5h", "10min" (or "10m"), "1d", or a number of milliseconds. A text needs its unit, but for "0". */
export function parseDuration(value: unknown, what = "duration"): number {
  if (typeof value === "number") {
    if (Number.isFinite(value) && value >= 0) return value;
    throw invalid(what, value, "milliseconds from 0 on, or a text such as 500ms or 3s");
  }
  if (value === "0") return 0;
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?(ms|s|min|m|h|d)$/.exec(value.trim()) : null;
  if (match === null) throw invalid(what, value, "a duration with its unit was expected, such as 500ms, 3s or 10min");
  return Number(match[1]) * unitMs[match[2]!]!;
}

/** "850 ms", "3.2 s", "2 min 5 s", "1 h 3 min", "2 d 4 h". */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return `${minutes} min ${seconds % 60} s`;
}

function invalid(what: string, value: unknown, expected: string): MillraceError {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new MillraceError("INVALID_OPTION", `${what}: ${shown} cannot be read, ${expected}`, {
    fields: { what, value: shown },
  });
}
