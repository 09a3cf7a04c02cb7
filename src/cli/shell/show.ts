// How the shell shows a result: arrays of objects or pairs and Maps as tables, RDDs by their name and how many partitions they
// have, for which no job is started, all else as Node's own prompt does.

import { inspect } from "node:util";
import Table from "cli-table3";
import { isMillraceError } from "../../core/errors.js";

export interface ShowOptions {
  /** Rows of a table, and elements of an array. */
  readonly rows: number;
  /** Columns of the terminal. */
  readonly width: number;
  readonly colors: boolean;
}

/** What of an RDD is shown. */
interface ShownRdd {
  toString(): string;
  readonly storageLevel: string;
  numPartitions(): Promise<number>;
}

/** A cell is at most so wide, however few columns there are. */
const MAX_CELL = 60;
const MIN_CELL = 8;
/** Arrays of arrays with more columns than this are no table. */
const MAX_COLUMNS = 12;

/** null for nothing to show. `isRdd` tells RDDs of the build that the prompt uses. */
export async function showValue(
  value: unknown,
  options: ShowOptions,
  isRdd: (value: object) => boolean,
): Promise<string | null> {
  if (value === undefined) return null;
  if (typeof value === "object" && value !== null) {
    if (isRdd(value)) return showRdd(value as ShownRdd);
    const rows = value instanceof Map ? [...value] : value;
    const table = Array.isArray(rows) ? showTable(rows, options) : null;
    if (table !== null) return table;
  }
  return inspect(value, { colors: options.colors, maxArrayLength: options.rows * 5, breakLength: options.width });
}

/** The master counts partitions without a job; where it cannot (a path is not there) the reason is shown. */
async function showRdd(rdd: ShownRdd): Promise<string> {
  const level = rdd.storageLevel === "NONE" ? "" : `, ${rdd.storageLevel}`;
  try {
    const partitions = await rdd.numPartitions();
    return `${rdd}: ${partitions} partition${partitions === 1 ? "" : "s"}${level}`;
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return `${rdd}: its partitions are not known: ${error.code}: ${error.message}${level}`;
  }
}

/** null for what is no table: anything but rows of one kind. */
export function showTable(all: readonly unknown[], { rows, width }: ShowOptions): string | null {
  const shown = all.slice(0, rows);
  const columns = columnsOf(shown);
  if (columns === null) return null;
  const { head, cellsOf } = columns;
  const limit = Math.max(MIN_CELL, Math.min(MAX_CELL, Math.floor((width - 1) / head.length) - 3));
  const body = shown.map((row) => cellsOf(row));
  const numeric = head.map((_, i) => body.every((cells) => isNumber(cells[i])));
  // No colours: they would go into pipes.
  const table = new Table({
    head: head.map((title) => shortened(title, limit)),
    style: { head: [], border: [] },
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    colAligns: numeric.map((one) => (one ? "right" : "left")),
  });
  table.push(...body.map((cells) => cells.map((cell) => shortened(formatCell(cell), limit))));
  const more = all.length - shown.length;
  return more === 0 ? table.toString() : `${table}\n... ${more} more rows (.rows <n> shows so many)`;
}

interface Columns {
  readonly head: readonly string[];
  cellsOf(row: unknown): readonly unknown[];
}

function columnsOf(rows: readonly unknown[]): Columns | null {
  const [first] = rows;
  if (first === undefined) return null;
  if (Array.isArray(first)) {
    const { length } = first;
    if (length < 2 || length > MAX_COLUMNS || !rows.every((row) => Array.isArray(row) && row.length === length))
      return null;
    const head = length === 2 ? ["key", "value"] : first.map((_, i) => String(i));
    return { head, cellsOf: (row) => row as unknown[] };
  }
  if (!rows.every(isRecord)) return null;
  const head = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (head.length === 0) return null;
  return {
    head,
    cellsOf: (row) =>
      head.map((name) => (Object.hasOwn(row as object, name) ? (row as Record<string, unknown>)[name] : "")),
  };
}

/** An object with columns; not one that Node shows in a way of its own. */
function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return false;
  return Object.keys(value).length > 0 && !(inspect.custom in value) && !(value instanceof Error);
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint";
}

function formatCell(value: unknown): string {
  if (typeof value === "string")
    return JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("\\\\", "\\");
  return inspect(value, {
    depth: 1,
    breakLength: Number.POSITIVE_INFINITY,
    maxArrayLength: 6,
    maxStringLength: MAX_CELL,
  });
}

function shortened(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}
