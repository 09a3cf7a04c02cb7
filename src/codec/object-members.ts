// Objects of one shape taken apart: one array a property, for the columns of an object or class column.

export interface Members {
  readonly names: readonly string[];
  readonly columns: readonly unknown[][];
}

/** One array a property; null unless all rows have the first one's prototype and the same properties in the same order. */
export function takeApart(values: ArrayLike<unknown>, start: number, end: number, first: object): Members | null {
  const prototype = Object.getPrototypeOf(first) as object;
  const names = Object.keys(first);
  if (names.includes("__proto__")) return null;
  const plain = prototype === Object.prototype;
  for (let i = start; i < end; i++) {
    const row = values[i];
    if (typeof row !== "object" || row === null || Object.getPrototypeOf(row) !== prototype) return null;
    if (!(plain ? enumeratesAs(row, names) : ownNamesAre(row, names))) return null;
  }
  const columns = names.map((name) => {
    const column: unknown[] = new Array(end - start);
    for (let i = start; i < end; i++) column[i - start] = (values[i] as Record<string, unknown>)[name];
    return column;
  });
  return { names, columns };
}

/** for-in costs a fifth of Object.keys, but lists what a prototype adds too: for plain objects only. */
function enumeratesAs(row: object, names: readonly string[]): boolean {
  let k = 0;
  for (const name in row) if (name !== names[k++]) return false;
  return k === names.length;
}

function ownNamesAre(row: object, names: readonly string[]): boolean {
  const own = Object.keys(row);
  if (own.length !== names.length) return false;
  for (let k = 0; k < own.length; k++) if (own[k] !== names[k]) return false;
  return true;
}
