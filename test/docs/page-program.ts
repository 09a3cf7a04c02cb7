// The TypeScript of a page as one module: its imports together at the top, a session, what the page takes as given, and each
// block between braces of its own, so that a block may use any name. Line numbers are those of the page, for the compiler's
// messages and for the positions in the errors that a page shows.

import type { CodeBlock, Page } from "./markdown.js";

/** Before what a block prints: told apart from it by the character in front. */
export const MARK = "\u0001";

export interface PageProgram {
  readonly source: string;
  /** Line of `source` to line of the page, for messages. */
  lineOfPage(line: number): number | null;
}

export function pageProgram(page: Page, blocks: readonly CodeBlock[]): PageProgram {
  const imports = new Imports();
  const lines: { readonly text: string; readonly from: number | null }[] = [];
  const put = (text: string, from: number | null = null) => lines.push({ text, from });
  const parts = blocks.map((block) => ({ block, body: imports.take(block.code) }));
  const given = imports.take(page.given);
  imports.add("millrace", "Session");
  for (const line of imports.lines()) put(line);
  put('const session = await Session.open({ master: "local[2]", appName: "docs" });');
  for (const line of given) put(line);
  for (const { block, body } of parts) {
    put(`console.log(${JSON.stringify(`${MARK}${block.line}`)}); {`);
    for (const [index, line] of body.entries()) put(line, block.line + index);
    put("}");
  }
  put("await session.stop();");
  return {
    source: `${lines.map(({ text }) => text).join("\n")}\nexport {};\n`,
    lineOfPage: (line) => lines[line - 1]?.from ?? null,
  };
}

/** What each block printed, by its line in the page. */
export function outputs(stdout: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const part of stdout.split(MARK).slice(1)) {
    const end = part.indexOf("\n");
    found.set(Number(part.slice(0, end)), part.slice(end + 1));
  }
  return found;
}

/** Import declarations of all blocks, each name once. */
class Imports {
  readonly #named = new Map<string, Set<string>>();
  readonly #others = new Set<string>();

  add(module: string, name: string): void {
    const names = this.#named.get(module) ?? new Set();
    this.#named.set(module, names.add(name));
  }

  /** The lines of `code`; an import's is left empty. */
  take(code: string): string[] {
    return code.split("\n").map((line) => {
      if (!/^import .* from "[^"]+";$/.test(line)) return line;
      const named = /^import \{ (.*) \} from "([^"]+)";$/.exec(line);
      if (named === null) this.#others.add(line);
      else for (const name of named[1]!.split(", ")) this.add(named[2]!, name);
      return "";
    });
  }

  lines(): string[] {
    const named = [...this.#named].map(([module, names]) => `import { ${[...names].join(", ")} } from "${module}";`);
    return [...this.#others, ...named];
  }
}
