// Text as the bytes of a file.

import { MillraceError } from "../../core/errors.js";

/** latin1: a byte for each character. Throws INVALID_TEXT for a character that has none, rather than write another one. */
export function textBytes(text: string, encoding: "utf8" | "latin1"): Uint8Array {
  if (encoding === "latin1") {
    const found = /[^\0-\xff]/u.exec(text)?.[0];
    if (found !== undefined) {
      const code = (found.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0");
      throw new MillraceError(
        "INVALID_TEXT",
        `saveAsTextFile: a record has the character U+${code}, which has no byte in latin1; write it in UTF-8`,
        { fields: { character: found } },
      );
    }
  }
  return Buffer.from(text, encoding);
}
