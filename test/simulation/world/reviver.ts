// In place of src/closure in a simulated slot: functions by their names.

import { noClasses } from "../../../src/core/class-registry.js";
import { liveFunction } from "../program/functions.js";

export class Reviver {
  readonly classes = noClasses;

  prepare(): void {
    // Nothing has to be imported.
  }

  revive(fn: { readonly name: string }) {
    return liveFunction(fn);
  }
}
