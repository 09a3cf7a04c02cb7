// A command as a user writes it on one line, cut into its words as a shell cuts them: white space parts words, '...' keeps
// everything, "..." keeps all but \" \\ \$ \`, a backslash keeps the next character. No shell runs: nothing is expanded, and
// an operator that stands bare (a pipe, say) is refused by name instead of being passed on as a word.

import { MillraceError } from "../../core/errors.js";

const OPERATOR = /^(?:[|&;<>()]+|\d?>>?|2>&1)$/;
const ESCAPED_IN_QUOTES = new Set(['"', "\\", "$", "`"]);

/** The words, at least one. Throws INVALID_ARGUMENT; `what` names the command in it. */
export function splitCommand(text: string, what: string): string[] {
  const words: string[] = [];
  let word = "";
  /** There is a word, perhaps an empty one that quotes have made. */
  let open = false;
  let quoted = false;
  const close = () => {
    if (open && !quoted && OPERATOR.test(word)) throw needsShell(text, what, word);
    if (open) words.push(word);
    word = "";
    open = false;
    quoted = false;
  };
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (/\s/.test(character)) {
      close();
      continue;
    }
    open = true;
    if (character === "'" || character === '"') {
      quoted = true;
      const end = closingQuote(text, at);
      if (end < 0) throw invalid(what, `has a ${character} that nothing closes`, text);
      const inside = text.slice(at + 1, end);
      word += character === "'" ? inside : unescaped(inside);
      at = end;
    } else if (character === "\\") {
      quoted = true;
      if (++at >= text.length) throw invalid(what, "ends with a backslash", text);
      word += text[at];
    } else word += character;
  }
  close();
  if (words.length === 0) throw invalid(what, "is empty", text);
  return words;
}

function closingQuote(text: string, from: number): number {
  const quote = text[from];
  for (let at = from + 1; at < text.length; at++) {
    if (quote === '"' && text[at] === "\\") at++;
    else if (text[at] === quote) return at;
  }
  return -1;
}

function unescaped(inside: string): string {
  return inside.replace(/\\([\s\S])/g, (all, next: string) => (ESCAPED_IN_QUOTES.has(next) ? next : all));
}

function needsShell(text: string, what: string, operator: string): MillraceError {
  return invalid(what, `uses ${operator}, which only a shell knows; write: sh -c '...', or quote it`, text);
}

function invalid(what: string, why: string, text: string): MillraceError {
  return new MillraceError("INVALID_ARGUMENT", `streaming: the ${what} ${why}: ${text}`, {
    fields: { argument: what, command: text },
  });
}
