// What somebody who misspelt a name probably meant.

import { distance } from "fastest-levenshtein";

/** The known name that `name` was probably meant to be. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  const wanted = name.toLowerCase().replace(/^spark\./, "");
  const exact = names.filter((known) => known.toLowerCase() === wanted || known.toLowerCase().endsWith(`.${wanted}`));
  if (exact.length === 1) return exact[0];
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const known of names) {
    const edits = distance(wanted, known.toLowerCase());
    if (edits < bestDistance) [best, bestDistance] = [known, edits];
  }
  return best;
}
