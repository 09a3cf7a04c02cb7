// The secret of a cluster that was started by hand: the named file, else MILLRACE_SECRET, else ~/.millrace/secret, which the
// master makes with mode 0600 when it is not there. So that on one machine nothing needs to be configured.

import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { MillraceError } from "../../core/errors.js";
import { loadSecret, Secret } from "./secret.js";

export function defaultSecretFile(): string {
  return join(homedir(), ".millrace", "secret");
}

/** For the master: makes the file when it is missing. */
export function masterSecret(file: string | undefined): Secret {
  if (file === undefined && (process.env.MILLRACE_SECRET ?? "").trim() !== "") return clusterSecret(undefined);
  const path = file ?? defaultSecretFile();
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // "wx": of two masters that start at once one makes the file and the other reads it.
    try {
      writeFileSync(path, `${Secret.generate().reveal()}\n`, { mode: 0o600, flag: "wx" });
      chmodSync(path, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        throw new MillraceError(
          "PERMISSION_DENIED",
          `the secret file ${path} cannot be made: ${(error as Error).message}`,
          { fields: { path }, cause: error },
        );
      }
    }
  }
  return clusterSecret(path);
}

/** For workers, drivers and status: throws INVALID_OPTION when there is none anywhere. */
export function clusterSecret(file: string | undefined): Secret {
  const fallback = defaultSecretFile();
  const named =
    file ?? ((process.env.MILLRACE_SECRET ?? "").trim() === "" && existsSync(fallback) ? fallback : undefined);
  const secret = loadSecret({ ...(named === undefined ? {} : { file: named }), env: process.env });
  if (secret === null) {
    throw new MillraceError(
      "INVALID_OPTION",
      `no secret is configured: give --secret-file, set MILLRACE_SECRET, or copy the master's ${fallback} here`,
      { fields: { option: "secretFile" } },
    );
  }
  return secret;
}
