// Who wants to know of every session of this process: the CLI's progress bar. The list hangs on the global object, because
// the command and the user's program are two bundles with a copy of this module each.

import type { DriverSession } from "./driver-session.js";

type Hook = (session: DriverSession) => void;

const key: unique symbol = Symbol.for("millrace.sessionHooks");

function hooks(): Hook[] {
  const holder = globalThis as { [key]?: Hook[] };
  holder[key] ??= [];
  return holder[key];
}

/** Called with every session that this process opens from now on. */
export function onSessionOpened(hook: Hook): void {
  hooks().push(hook);
}

export function tellSessionOpened(session: DriverSession): void {
  for (const hook of hooks()) hook(session);
}
