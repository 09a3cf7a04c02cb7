// The attempt that runs a function, for functions that must know where they are: its key, what it reads, a path for scratch
// files. The driver holds a stand-in that travels; in a task it is the live one (plan/handles.ts).

import { MillraceError } from "../core/errors.js";
import type { HandleReference, RunningTask } from "../plan/handles.js";
import { toReference } from "./travelling.js";

export class DriverTaskHandle {
  /** In a task: the attempt that runs. Throws INVALID_ARGUMENT in the driver, where none does. */
  get current(): RunningTask {
    throw new MillraceError("INVALID_ARGUMENT", "the running task can be asked for in a task only, not in the driver");
  }

  [toReference](): HandleReference {
    return { kind: "task", id: 0 };
  }
}
