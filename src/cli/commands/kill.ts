// `millrace kill`: tells a master to end one of its sessions, or one of a session's jobs.

import { hostname, userInfo } from "node:os";
import type { Killed } from "../../master/kills.js";
import type { KillFlags } from "../flags.js";
import { parseWhole } from "../numbers.js";
import { dialMaster } from "../remote-master.js";

const MAX_JOB = 2 ** 32 - 1;

export async function kill(name: string, flags: KillFlags): Promise<void> {
  const [session = "", suffix] = name.split("/", 2);
  const text = flags.job ?? suffix;
  const job = text === undefined ? null : parseWhole(text, "--job", 1, MAX_JOB);
  const channel = await dialMaster(flags.master, whoAsks(), flags);
  try {
    const killed = (await channel.ask({ ask: "kill", session, job, reason: flags.reason ?? null })) as Killed;
    process.stdout.write(flags.json === true ? `${JSON.stringify(killed, null, 2)}\n` : `${describeKilled(killed)}\n`);
  } finally {
    channel.close();
  }
}

export function describeKilled({ session, appName, jobs, ended }: Killed): string {
  if (ended === "job") return `job ${jobs[0]} of session ${session} (${appName}) is ended; the session stays open`;
  const running =
    jobs.length === 0
      ? "no job of it ran"
      : `${jobs.length === 1 ? "job" : "jobs"} ${jobs.join(", ")} ran and ${jobs.length === 1 ? "is" : "are"} ended with it`;
  return `session ${session} (${appName}) is ended; ${running}`;
}

/** The name that the driver's user is told: the handshake proves that its owner holds the secret, not who it is. */
function whoAsks(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    // A user id without an entry in the machine's list, as in containers.
    if (
      (error as NodeJS.ErrnoException).code === "ENOENT" ||
      (error as NodeJS.ErrnoException).code === "ERR_SYSTEM_ERROR"
    )
      return `user ${process.getuid?.() ?? "?"}`;
    throw error;
  }
}
