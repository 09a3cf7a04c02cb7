// What becomes of millrace's own objects when a user's function captures them: broadcast values and accumulators travel as
// references, an RDD or a Session cannot be used in a task at all. Symbols are global so that two copies of the package agree.

import { MillraceError } from "../core/errors.js";
import type { HandleReference } from "../plan/handles.js";

/** A method that gives the reference that stands for the object in captured functions. */
export const toReference: unique symbol = Symbol.for("millrace.toReference");
/** What the object is called in the message when a function captures it: "RDD", "Session". */
export const driverOnly: unique symbol = Symbol.for("millrace.driverOnly");

/** The reference that replaces `value`, undefined when it travels by content. Throws NESTED_RDD. */
export function referenceOf(value: object): HandleReference | undefined {
  const own = value as { [toReference]?: () => HandleReference; [driverOnly]?: string };
  const noun = own[driverOnly];
  if (noun !== undefined) {
    throw new MillraceError(
      "NESTED_RDD",
      `the function uses ${noun === "RDD" ? "an RDD" : `a ${noun}`}, which exists in the driver only: a task cannot start jobs. Collect what is needed before and use the plain value, or session.broadcast(value) if it is large`,
      { fields: { used: noun } },
    );
  }
  return own[toReference]?.();
}
