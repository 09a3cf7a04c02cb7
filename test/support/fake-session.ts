// A session on the fake master.

import { RddSession } from "../../src/rdd/session.js";
import { DriverSession } from "../../src/session/driver-session.js";
import { FakeCapture } from "./fake-capture.js";
import { FakeMaster, type FakeMasterOptions } from "./fake-master.js";

export interface FakeSession {
  readonly session: RddSession;
  readonly master: FakeMaster;
}

export async function openFakeSession(
  options: FakeMasterOptions = {},
  openTimeoutMs = 10_000,
  settings: Readonly<Record<string, string | number | boolean>> = {},
): Promise<FakeSession> {
  const capture = new FakeCapture();
  const master = new FakeMaster(capture, options);
  const driver = await DriverSession.open({
    link: master,
    capture,
    positions: capture,
    settings: { appName: "test", options: settings, workingDirectory: "/data", version: "0.0.0" },
    openTimeoutMs,
  });
  return { session: new RddSession(driver), master };
}
