// Design: imports go down only. This test reads every import of src/ (static, type-only, re-exported, import(), import types
// and new URL(..., import.meta.url) of a worker) and holds the table of layers. Files must not form cycles either.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync, Visitor } from "oxc-parser";
import { expect, test } from "vitest";

const root = join(dirname(fileURLToPath(import.meta.url)), "../src");

/** Folder -> folders it may import, besides itself. A folder that is not here fails the test: decide where it stands. */
const layers: Record<string, readonly string[]> = {
  core: [],
  codec: ["core"],
  // Beyond the design: FunctionRef is plan data, and the registry of classes is the codec's interface.
  closure: ["codec", "plan", "core"],
  plan: ["core"],
  protocol: ["plan", "core"],
  // Beyond the design: logs may be compressed, by the codec's zstd.
  events: ["codec", "core"],
  rpc: ["protocol", "plan", "core"],
  operators: ["codec", "plan", "core"],
  duck: ["codec", "core"],
  emrfs: ["core"],
  // Beyond the design: splits are plan data.
  formats: ["emrfs", "duck", "codec", "plan", "core"],
  shuffle: ["emrfs", "codec", "protocol", "plan", "core"],
  dfs: ["emrfs", "rpc", "protocol", "core"],
  master: ["plan", "protocol", "rpc", "events", "formats", "emrfs", "core"],
  worker: [
    ...["operators", "shuffle", "formats", "duck", "closure", "codec"],
    ...["plan", "protocol", "rpc", "events", "emrfs", "core"],
  ],
  session: ["plan", "closure", "codec", "formats", "emrfs", "protocol", "core"],
  rdd: ["session", "plan", "closure", "codec", "formats", "emrfs", "protocol", "core"],
  mapreduce: ["session", "rdd", "plan", "closure", "codec", "formats", "emrfs", "protocol", "core"],
  dataframe: ["session", "rdd", "plan", "closure", "codec", "formats", "emrfs", "protocol", "core"],
  ml: ["session", "rdd", "dataframe", "codec", "core"],
};

/** Files that put parts together and so may import anything: entries of the package, processes and threads. */
const wiring = [/^index\.ts$/, /^cli\//, /(^|\/)main\.ts$/, /^session\/service-thread\/open-\w+\.ts$/];

/** Packages that one layer alone may use. */
const reserved: Record<string, string> = {
  "@duckdb/node-api": "duck",
  "@grpc/grpc-js": "rpc",
  protobufjs: "rpc",
  "@aws-sdk/client-s3": "emrfs",
};

/** Entries of dist/: `new URL("./slot.js", import.meta.url)` names what the build makes, not a source. */
const builtEntries = new Set(
  [...readFileSync(join(root, "../scripts/bundles.mjs"), "utf8").matchAll(/out: "([\w.]+)"/g)].map(
    ([, name]) => `./${name}`,
  ),
);

interface Edge {
  readonly from: string;
  /** A file of src, or a package. */
  readonly to: string;
  readonly local: boolean;
}

/** Files whose imports cannot be trusted. */
const unreadable: string[] = [];
const files = sourceFiles(root);
const edges = files.flatMap(edgesOf);

test("the walk sees the sources", () => {
  expect(unreadable).toEqual([]);
  expect(files.length).toBeGreaterThan(50);
  expect(edges.filter((edge) => edge.local).length).toBeGreaterThan(100);
});

test("every kind of import is read", () => {
  const source = `
    import { a } from "./a.js"; import type { B } from "./b.js"; export { c } from "./c.js"; export * from "./d.js";
    import type E = require("./e.js"); const f = await import("./f.js"); type G = import("./g.js").G;
    new Worker(new URL("./h.js", import.meta.url)); const i = require("./i.js");`;
  const names = specifiers("x.ts", source).map((specifier) => specifier.replace(/\W|js/g, ""));
  expect(names.sort()).toEqual(["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
});

test("imports go down only", () => {
  const wrong = edges.filter((edge) => edge.local && !isWiring(edge.from) && !isAllowed(edge.from, edge.to));
  expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test("nobody imports wiring but wiring", () => {
  const wrong = edges.filter((edge) => edge.local && isWiring(edge.to) && !isWiring(edge.from));
  expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test("packages with one user have one user", () => {
  const wrong = edges.filter(({ from, to, local }) => {
    const layer = Object.entries(reserved).find(([name]) => to === name || to.startsWith(`${name}/`))?.[1];
    return !local && layer !== undefined && folderOf(from) !== layer;
  });
  expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test("files form no cycles, not even of types", () => {
  const graph = new Map(files.map((file) => [file, new Set<string>()]));
  for (const { from, to, local } of edges) if (local) graph.get(from)?.add(to);
  expect(findCycles(graph)).toEqual([]);
});

test("every relative import ends in .js and names a file", () => {
  const missing = edges.filter((edge) => edge.local && !existsSync(join(root, edge.to)));
  expect(missing.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

function isAllowed(from: string, to: string): boolean {
  const own = folderOf(from);
  const other = folderOf(to);
  return own === other || (layers[own] ?? []).includes(other);
}

function isWiring(file: string): boolean {
  return wiring.some((pattern) => pattern.test(file));
}

function folderOf(file: string): string {
  return file.split("/")[0] as string;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".ts") && !path.includes("generated/"));
}

function edgesOf(from: string): Edge[] {
  return (
    specifiers(from, readFileSync(join(root, from), "utf8"))
      .filter((specifier) => !specifier.startsWith("node:") && !specifier.includes("/generated/"))
      .map((specifier): Edge => {
        if (!specifier.startsWith(".")) return { from, to: specifier, local: false };
        const path = relative(root, normalize(join(root, dirname(from), specifier))).replaceAll("\\", "/");
        return { from, to: path.replace(/\.js$/, ".ts"), local: true };
      })
      // new URL("../dist/x.js", import.meta.url) names what the build makes.
      .filter(({ to, local }) => !local || !to.startsWith(".."))
  );
}

function specifiers(file: string, source: string): string[] {
  const parsed = parseSync(file, source);
  for (const { message } of parsed.errors) unreadable.push(`${file}: ${message}`);
  const found: string[] = [];
  const add = (node: unknown): void => {
    const { type, value } = (node ?? {}) as { type?: string; value?: unknown };
    if (type === "Literal" && typeof value === "string") found.push(value);
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.source),
    ExportNamedDeclaration: (node) => add(node.source),
    ExportAllDeclaration: (node) => add(node.source),
    ImportExpression: (node) => add(node.source),
    TSImportType: (node) => add(node.source),
    TSExternalModuleReference: (node) => add(node.expression),
    CallExpression: (node) => {
      if (node.callee.type === "Identifier" && node.callee.name === "require") add(node.arguments[0]);
    },
    NewExpression: (node) => {
      const isUrl = node.callee.type === "Identifier" && node.callee.name === "URL";
      const [target, base] = node.arguments;
      if (!isUrl || base?.type !== "MemberExpression") return;
      const name = (target as { value?: string } | undefined)?.value ?? "";
      // A folder is not imported.
      if (!builtEntries.has(name) && !name.endsWith("/")) add(target);
    },
  }).visit(parsed.program);
  return found;
}

/** Each cycle once, as "a -> b -> a", by depth-first search. */
function findCycles(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const cycles: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      cycles.push([...path.slice(at), file].join(" -> "));
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}
