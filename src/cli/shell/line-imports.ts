// What `import` gives at the prompt: Node's modules and packages as seen from the working directory, `millrace` as this very
// build, and the user's own files, TypeScript too, which are bundled and run as `millrace run` does it. A file is read anew by
// each line that imports it, so an edited one need not wait for the next shell.

import { existsSync, realpathSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { importerAt } from "../../core/default-loader.js";
import { MillraceError } from "../../core/errors.js";
import { loadModule } from "../load-program.js";

const ENDINGS = [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".tsx", ".jsx"];

/** The module as a namespace. Throws MODULE_NOT_FOUND, PROGRAM_FAILED, or what the module throws when it is run. */
export async function importForLine(specifier: string, own: object): Promise<unknown> {
  if (specifier === "millrace") return own;
  if (isBuiltin(specifier)) return import(specifier);
  const folder = process.cwd();
  if (/^(?:\.{0,2}\/|file:)/.test(specifier)) return loadModule(fileOf(specifier, folder), own);
  try {
    return await importerAt(pathToFileURL(join(folder, "_")).href)(specifier);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") throw cause;
    throw notFound(specifier, `no folder above ${folder} has it in its node_modules`, cause);
  }
}

/** `./lib.js` may be a lib.ts, as TypeScript writes it. */
function fileOf(specifier: string, folder: string): string {
  const path = specifier.startsWith("file:") ? fileURLToPath(specifier) : resolve(folder, specifier);
  const asTypeScript = path.replace(/\.([cm]?)js$/, ".$1ts");
  for (const file of [path, asTypeScript, ...ENDINGS.map((ending) => path + ending)])
    if (existsSync(file) && statSync(file).isFile()) return realpathSync(file);
  throw notFound(specifier, `there is no such file in ${dirname(path)}`);
}

function notFound(specifier: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError("MODULE_NOT_FOUND", `${specifier} cannot be imported: ${why}`, {
    fields: { specifier },
    ...(cause === undefined ? {} : { cause }),
  });
}
