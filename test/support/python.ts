// Whether this machine has Python: `npm ci && npm test` needs Node alone, and what is tried with Python is skipped without it.

import { spawnSync } from "node:child_process";

export const hasPython = spawnSync("python3", ["--version"]).status === 0;
