// How a record stands in a line of a text file: a string as it is; a [key, value] pair as key, tab, value; numbers,
// booleans and bigints as JavaScript prints them; a Date as its ISO text; anything else as JSON, in which bigints are
// decimal text, Maps are arrays of entries, Sets and typed arrays are arrays.

export function printRecord(record: unknown): string {
  if (typeof record === "string") return record;
  if (Array.isArray(record) && record.length === 2) return `${printPart(record[0])}\t${printPart(record[1])}`;
  return printPart(record);
}

/** A key or a value of a pair, or a record that is none. */
export function printPart(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value;
    case "object":
      break;
    default:
      return String(value);
  }
  if (value === null) return "null";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  return JSON.stringify(value, plainly);
}

function plainly(this: unknown, key: string, json: unknown): unknown {
  // `json` has been through toJSON already: a Buffer would be { type, data }.
  const value = (this as Record<string, unknown>)[key];
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Map || value instanceof Set) return [...value];
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return Array.from(value as unknown as ArrayLike<unknown>);
  }
  return json;
}
