// The address in a millrace:// URL, for commands that need a master that runs already.

import { MillraceError } from "../core/errors.js";
import { parseMasterUrl } from "../core/master-url.js";

/** host:port. Throws INVALID_MASTER_URL for a local master. */
export function remoteAddress(url: string): string {
  const master = parseMasterUrl(url);
  if (master.kind !== "remote") {
    throw new MillraceError(
      "INVALID_MASTER_URL",
      `--master ${url}: expected a master that runs already, millrace://host:port`,
      { fields: { url } },
    );
  }
  return `${master.host.includes(":") ? `[${master.host}]` : master.host}:${master.port}`;
}
