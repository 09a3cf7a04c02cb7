// The functions that a fragment refers to, wherever they stand in it: what a slot loads before it runs the first task.

import type { FunctionRef } from "../../plan/function.js";
import type { Fragment } from "../../plan/stages.js";

export function functionsOf(fragment: Fragment): FunctionRef[] {
  const found: FunctionRef[] = [];
  collect(fragment, found);
  return found;
}

function collect(value: unknown, found: FunctionRef[]): void {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found);
    return;
  }
  const candidate = value as Partial<FunctionRef>;
  if (typeof candidate.hash === "string" && candidate.bytes instanceof Uint8Array) {
    found.push(value as FunctionRef);
    return;
  }
  for (const member of Object.values(value)) collect(member, found);
}
