// Pools that a program defines while its session is open, checked before they are sent: names, weights and least shares, and that
// the session has a use for them.

import { isMillraceError, MillraceError } from "../core/errors.js";
import { type PoolDefinitions, parsePools } from "../core/scheduler-pools.js";

/** `mode`: option scheduler.mode of the session. Throws INVALID_ARGUMENT. */
export function checkedPools(pools: unknown, mode: unknown): PoolDefinitions {
  if (mode !== "FAIR") {
    const text = "pools: jobs of this session run FIFO, where pools have no effect. Open it with scheduler.mode FAIR";
    throw new MillraceError("INVALID_ARGUMENT", text, { fields: { method: "pools", mode: String(mode ?? "FIFO") } });
  }
  try {
    return parsePools(pools, "pools");
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    throw new MillraceError("INVALID_ARGUMENT", error.message, { fields: { ...error.fields, method: "pools" } });
  }
}
