// Pools of a session in the words of options and of the API: what may be said of one, and how it is read. What follows of it
// is the master's (master/task-assigner/pools.ts).

import { MillraceError } from "./errors.js";

/** FIFO: in the order of submission. FAIR: by turns, as weights and least shares say. */
export type SchedulingMode = "FIFO" | "FAIR";

/** A pool of `session.pools` or of the option scheduler.pools: what its jobs get of the slots. */
export interface PoolDefinition {
  /** How the jobs of the pool stand to each other. Default "FIFO". */
  readonly mode?: SchedulingMode;
  /** Its part of the slots beside the other pools': one of weight 2 gets twice as many as one of weight 1. Default 1. */
  readonly weight?: number;
  /** So many slots it gets before others are served by weight, while it has tasks for them. Default 0. */
  readonly minShare?: number;
}

/** By name. */
export type PoolDefinitions = Readonly<Record<string, PoolDefinition>>;

/** The pool of jobs that name none. */
export const DEFAULT_POOL = "default";

/** Also that of a pool which nobody has defined. */
export const usualPool: Required<PoolDefinition> = { mode: "FIFO", weight: 1, minShare: 0 };

/**
 * Every pool with all that is to be said of it. Takes an object, or one as JSON text. INVALID_OPTION, which names the pool, for
 * anything else; `what` says where it stands.
 */
export function parsePools(value: unknown, what: string): PoolDefinitions {
  const given = typeof value === "string" ? fromJson(value, what) : value;
  const pools: [string, Required<PoolDefinition>][] = [];
  for (const [name, pool] of Object.entries(object(given, what))) {
    if (name.trim() === "") throw invalid(what, name, "pools with names that are not empty");
    pools.push([name, parsePool(pool, `${what}: pool ${JSON.stringify(name)}`)]);
  }
  return Object.fromEntries(pools);
}

function parsePool(value: unknown, what: string): Required<PoolDefinition> {
  const pool = object(value, what);
  for (const name of Object.keys(pool)) {
    if (!Object.hasOwn(usualPool, name)) throw invalid(`${what}.${name}`, pool[name], "only mode, weight and minShare");
  }
  const { mode = usualPool.mode, weight = usualPool.weight, minShare = usualPool.minShare } = pool;
  if (mode !== "FIFO" && mode !== "FAIR") throw invalid(`${what}.mode`, mode, "FIFO or FAIR");
  if (typeof weight !== "number" || !(weight > 0 && weight < Number.POSITIVE_INFINITY))
    throw invalid(`${what}.weight`, weight, "a number above 0");
  if (typeof minShare !== "number" || !Number.isSafeInteger(minShare) || minShare < 0)
    throw invalid(`${what}.minShare`, minShare, "a whole number of slots from 0 on");
  return { mode, weight, minShare };
}

function object(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(what, value, 'an object such as { "fast": { "weight": 2, "minShare": 1 } }');
}

function fromJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MillraceError("INVALID_OPTION", `${what}: ${text} is not JSON: ${(cause as Error).message}`, {
      fields: { what, value: text },
      cause,
    });
  }
}

function invalid(what: string, value: unknown, expected: string): MillraceError {
  const shown = JSON.stringify(value) ?? String(value);
  return new MillraceError("INVALID_OPTION", `${what}: ${shown} cannot be read, ${expected} was expected`, {
    fields: { what, value: shown },
  });
}
