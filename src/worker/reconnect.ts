// How a worker looks for its master: which failures are worth another try, and how long it waits between two. Pure, so that
// tests and the simulation wait as the process does.

import { type ErrorCode, isMillraceError, type MillraceError } from "../core/errors.js";

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;
/** A master that is down, or going down while it is asked; others (another secret, another version) stay as they are. */
const mayComeBack: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["MASTER_UNREACHABLE", "MASTER_LOST", "TIMEOUT"]);

/** `wasConnected`: this worker had its master before, so that a greeting which falls silent says nothing against it. */
export function isWorthRetrying(error: unknown, wasConnected: boolean): boolean {
  return isMillraceError(error) && (mayComeBack.has(error.code) || (wasConnected && fellSilent(error)));
}

/** In the greeting, as behind a network that is gone or of a master that hangs: nobody said that this is no master. */
function fellSilent({ code, cause }: MillraceError): boolean {
  return (code === "NOT_A_MASTER" || code === "AUTHENTICATION_FAILED") && cause !== undefined;
}

/** The pause after so many failed tries. */
export function pauseAfter(failures: number): number {
  return Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (failures - 1));
}
