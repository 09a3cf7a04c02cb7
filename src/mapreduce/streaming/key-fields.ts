// Parts of a key as Hadoop's KeyFieldBasedPartitioner and KeyFieldBasedComparator name them: -k pos1[,pos2] with pos =
// field[.character][n][r], as sort(1) has it. Keys are latin1 texts, a character for each byte, so characters are bytes here
// and the order of texts is that of bytes.

import { MillraceError } from "../../core/errors.js";

export interface KeyField {
  /** From 1. */
  readonly fromField: number;
  readonly fromCharacter: number;
  /** 0: to the end of the key. */
  readonly toField: number;
  /** 0: to the end of the field. */
  readonly toCharacter: number;
  readonly numeric: boolean;
  readonly reverse: boolean;
}

const POSITION = /^(\d+)(?:\.(\d+))?([nr]*)(?:,(\d+)(?:\.(\d+))?([nr]*))?$/;

/** "-k1,1 -k2,2nr", "-nr"; none for an empty text. INVALID_ARGUMENT names `setting`. */
export function parseKeyFields(options: string, setting: string): KeyField[] {
  const words = options.split(/\s+/).filter(Boolean);
  const fields: KeyField[] = [];
  let all = "";
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (/^-[nr]+$/.test(word)) all += word.slice(1);
    else if (word.startsWith("-k")) fields.push(parsePosition(word === "-k" ? (words[++at] ?? "") : word.slice(2)));
    else throw invalid(word);
  }
  if (fields.length === 0 && all !== "")
    fields.push({ fromField: 1, fromCharacter: 1, toField: 0, toCharacter: 0, numeric: false, reverse: false });
  // Options that stand alone are those of every field that has none of its own.
  return fields.map((field) =>
    field.numeric || field.reverse ? field : { ...field, numeric: all.includes("n"), reverse: all.includes("r") },
  );

  function parsePosition(text: string): KeyField {
    const found = POSITION.exec(text);
    if (found === null) throw invalid(`-k${text}`);
    const [, field, character = "1", first, toField = "0", toCharacter = "0", last = ""] = found;
    const own = `${first}${last}`;
    if (Number(field) < 1 || Number(character) < 1) throw invalid(`-k${text}`);
    return {
      fromField: Number(field),
      fromCharacter: Number(character),
      toField: Number(toField),
      toCharacter: Number(toCharacter),
      numeric: own.includes("n"),
      reverse: own.includes("r"),
    };
  }

  function invalid(word: string): MillraceError {
    return new MillraceError(
      "INVALID_ARGUMENT",
      `streaming: -D ${setting}: ${word} cannot be read; -k field[.character][nr][,field[.character][nr]], -n and -r are known`,
      { fields: { setting, value: options } },
    );
  }
}

/** The part of `key` that a field names; null where the key has no such field. */
export function partOf(key: string, field: KeyField, separator: string): string | null {
  const start = startOf(key, field.fromField, separator);
  if (start < 0) return null;
  const from = start + field.fromCharacter - 1;
  if (from >= key.length) return null;
  if (field.toField === 0) return key.slice(from);
  const last = startOf(key, field.toField, separator);
  if (last < 0) return key.slice(from);
  if (field.toCharacter > 0) return key.slice(from, Math.min(key.length, last + field.toCharacter));
  const end = key.indexOf(separator, last);
  return key.slice(from, end < 0 ? key.length : end);
}

/** -1: there are fewer fields. */
function startOf(key: string, field: number, separator: string): number {
  let at = 0;
  for (let n = 1; n < field; n++) {
    const found = key.indexOf(separator, at);
    if (found < 0) return -1;
    at = found + separator.length;
  }
  return at;
}

/** What keys are to be ordered by, so that millrace's own order of keys is the comparator's. */
export function sortKeyOf(key: string, fields: readonly KeyField[], separator: string): (string | null)[] {
  return fields.map((field) => {
    const part = partOf(key, field, separator);
    // A missing field comes first, and last where the order is turned round.
    if (part === null) return field.reverse ? "\u0101" : null;
    const text = field.numeric ? numberText(part) : part;
    return field.reverse ? reversed(text) : text;
  });
}

/** Texts in the opposite order. What is longer came last and must come first: an end above every character. */
function reversed(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; i++) out += String.fromCharCode(0xff - text.charCodeAt(i));
  return `${out}\u0100`;
}

/** The number that a text begins with (0 for none), of any length, as a text that is ordered as numbers are. */
function numberText(text: string): string {
  const [, sign, whole = "", fraction = ""] = /^(-?)0*(\d*)(?:\.(\d*))?/.exec(text) as RegExpExecArray;
  const digits = `${String(whole.length).padStart(10, "0")}${whole}.${fraction.replace(/0+$/, "")}`;
  const isZero = whole === "" && !/[1-9]/.test(fraction);
  return sign === "-" && !isZero ? `0${reversed(digits)}` : `1${isZero ? "0000000000." : digits}`;
}
