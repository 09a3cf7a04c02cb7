// The tutorial as its reader follows it, in an empty directory with the built package: files are written, commands are run in
// order, and what they print is what the page shows.
//
//   ```ts counts.ts       the file counts.ts            ```sh install        not run: the package is linked
//   ```sh                 run to its end                ```sh terminal 2     started in terminal 2 and left there
//   ```text               what the block above prints   ```text terminal 2   what terminal 2 prints next

import { mkdirSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { scratchDirectory, writeTree } from "../support/scratch.js";
import { type CodeBlock, expected, readPage, root } from "./markdown.js";
import { Terminals } from "./terminals.js";

/** The page's port, which is the master's default; a free one is used in its place. */
const PORT = /\b7077\b/g;
const MASTER = /millrace master$/m;
const TIMEOUT_MS = 170_000;

const page = readPage("docs/tutorial.md");
const scratch = scratchDirectory();
const folder = join(scratch, "mill");
/** Not what a runner has set for itself: npm's variables would send npx to this repository. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|VITEST|MILLRACE_|NODE_ENV$)/.test(name)),
);
const terminals = new Terminals(folder, { ...env, HOME: scratch, NO_COLOR: "1", npm_config_update_notifier: "false" });
afterAll(() => terminals.close());

function install(): void {
  mkdirSync(join(folder, "node_modules/.bin"), { recursive: true });
  symlinkSync(root, join(folder, "node_modules/millrace"), "dir");
  symlinkSync("../millrace/dist/cli.js", join(folder, "node_modules/.bin/millrace"));
  writeTree(folder, { "package.json": '{ "name": "mill", "private": true }' });
}

async function follow({ language, words, code, output, line }: CodeBlock, port: string): Promise<void> {
  const place = `docs/tutorial.md:${line}`;
  const commands = code.replace(PORT, port).replace(MASTER, `$& --port ${port}`);
  const shown = output === null ? null : expected(output.replace(PORT, port));
  const [what, name] = words;
  if (language === "ts" && what !== undefined) return writeTree(folder, { [what]: code });
  if (language === "text" && what === "terminal") return terminals.sees(name!, expected(commands));
  // Looked at with the block above it.
  if (language === "text") return;
  if (language !== "sh") throw new Error(`${place}: a block of ${language}`);
  if (what === "install") return install();
  if (what === "terminal") {
    terminals.start(name!, commands);
    if (shown !== null) await terminals.sees(name!, shown);
    return;
  }
  const printed = await terminals.run(commands);
  if (shown === null) expect(`${place} prints ${printed}`).toBe(`${place} prints `);
  else expect(`${place}\n${printed}`).toMatch(new RegExp(`^${place}\n${shown.source}$`));
}

test(
  "every block of the tutorial does what it shows",
  async () => {
    const port = String(await freePort());
    for (const block of page.blocks) await follow(block, port);
    expect(page.blocks.filter(({ language }) => language === "sh").length).toBeGreaterThan(8);
  },
  TIMEOUT_MS,
);

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
