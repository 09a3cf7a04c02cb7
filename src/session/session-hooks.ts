// Told of every session that this process opens: how the command line shows progress of sessions that the user's program
// made. The one thing here that is global to the process, and only observers.

import type { DriverSession } from "./driver-session.js";

const observers = new Set<(session: DriverSession) => void>();

export function onSessionOpened(observer: (session: DriverSession) => void): void {
  observers.add(observer);
}

export function announceSession(session: DriverSession): void {
  for (const observer of observers) observer(session);
}
