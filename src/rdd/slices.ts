/** `elements` in `count` runs in order, as Spark cuts them: run i begins at floor(i * length / count). */
export function* cutEvenly<T>(elements: readonly T[], count: number): Generator<readonly T[], void, void> {
  for (let i = 0; i < count; i++) {
    yield elements.slice(Math.floor((i * elements.length) / count), Math.floor(((i + 1) * elements.length) / count));
  }
}
