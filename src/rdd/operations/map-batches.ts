// Arrow record batches in and out: what a user gives is checked here, what runs is operators/map-batches.ts.

import type { BatchColumnKind, BatchColumns } from "../../plan/lineage.js";
import { invalidArgument, requireCount } from "../../session/arguments.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

/** How `rdd.mapBatches` makes batches. */
export interface MapBatchesOptions {
  /** Rows of a batch at most. Default 10,000. */
  readonly batchSize?: number | undefined;
  /**
   * The columns by name, in their order: "number" (Float64), "bigint" (Int64), "string" (Utf8), "boolean" (Bool), "date"
   * (Timestamp in milliseconds, UTC) or "bytes" (Binary); of a tuple the names are its places, "0", "1", ... Properties that
   * are not named are left out. Default: those of the first batch of each partition, with what they hold there.
   */
  readonly columns?: Readonly<Record<string, BatchColumnKind>> | undefined;
}

const DEFAULT_ROWS = 10_000;
const MAX_ROWS = 10_000_000;
const kinds: readonly string[] = [
  "number",
  "bigint",
  "string",
  "boolean",
  "date",
  "bytes",
] satisfies readonly BatchColumnKind[];

export function mapBatches(at: Operand, fn: unknown, options: MapBatchesOptions | undefined): NodeHandle {
  if (options !== undefined && (typeof options !== "object" || options === null))
    throw invalidArgument(at.method, "options", "an object such as { batchSize }", options);
  const rows = requireCount(at.method, "options.batchSize", options?.batchSize ?? DEFAULT_ROWS, 1, MAX_ROWS);
  const columns = columnsOf(at, options?.columns);
  return at.narrow({ op: "mapBatches", fn: at.capture("fn", fn), rows, columns });
}

function columnsOf(at: Operand, columns: unknown): BatchColumns | null {
  if (columns === undefined) return null;
  if (typeof columns !== "object" || columns === null || Object.keys(columns).length === 0)
    throw invalidArgument(at.method, "options.columns", 'an object such as { id: "number" }', columns);
  return Object.entries(columns).map(([name, kind]) => {
    if (!kinds.includes(kind as string))
      throw invalidArgument(at.method, `options.columns.${name}`, kinds.map((one) => `"${one}"`).join(", "), kind);
    return [name, kind as BatchColumnKind] as const;
  });
}
