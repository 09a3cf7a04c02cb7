// The tasks of one run, one after the other: each begins when the one before it has ended well and nobody has taken the rest
// back. In the slot's thread, or for a slot without one in whatever calls it.

import type { ControlRow } from "./control-row.js";
import type { SlotOutcome, SlotRun } from "./messages.js";

/** What `ended` of runInTurn is where whoever is told changes nothing. */
export function toldOnly(ended: (at: number, outcome: SlotOutcome) => void) {
  return (at: number, outcome: SlotOutcome): SlotOutcome => {
    ended(at, outcome);
    return outcome;
  };
}

/** `ended` is called with each task's place in the run; the run ends with the first that did not end well, as `ended` gives it back. */
export async function runInTurn(
  call: SlotRun,
  control: ControlRow,
  runOne: (call: SlotRun) => Promise<SlotOutcome>,
  ended: (at: number, outcome: SlotOutcome) => SlotOutcome,
): Promise<void> {
  const { launch, rest } = call;
  let last = ended(0, await runOne({ ...call, rest: [] }));
  for (let at = 1; at <= rest.length && last.kind === "succeeded" && control.beginNext(call.run, at); at++) {
    const key = { ...launch.key, ...rest[at - 1] };
    // What the slot did not know it was told with the first.
    const next = {
      ...call,
      run: call.run + at,
      launch: { ...launch, key },
      rest: [],
      fragment: null,
      locations: [],
      forget: null,
    };
    last = ended(at, await runOne(next));
  }
}
