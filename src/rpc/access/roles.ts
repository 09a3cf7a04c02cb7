// Who may speak to whom. A role's key is derived from the cluster's secret, so that a process may be given the key of its
// own role alone. Every handler receives the Principal that the handshake proved.

import { hkdfSync } from "node:crypto";
import type { Secret } from "./secret.js";

/** `master` dials the block servers of workers. */
export type Role = "driver" | "worker" | "admin" | "master";

export const roles: readonly Role[] = ["driver", "worker", "admin", "master"];

/** The proven other end of a connection. `id` is what it calls itself: a worker id, a program's name. */
export interface Principal {
  readonly role: Role;
  readonly id: string;
  /** host:port as this side sees it. */
  readonly address: string;
}

export function roleKey(secret: Secret, role: Role): Buffer {
  return Buffer.from(hkdfSync("sha256", secret.bytes(), "millrace", `role ${role}`, 32));
}
