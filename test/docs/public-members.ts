// What src/index.ts exports, with its members and those of the classes above it, and the doc comment of each: read from the
// sources by a parser, so that nothing has to be built.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Comment, parseSync } from "oxc-parser";
import { root } from "./markdown.js";

export interface PublicMember {
  /** `RDD.map`, or `RDD` itself. */
  readonly name: string;
  /** `src/rdd/rdd.ts:70`. */
  readonly place: string;
  /** Without its stars; null: there is none. */
  readonly doc: string | null;
  readonly isMethod: boolean;
}

// The parser's tree, of which a few fields are read.
// biome-ignore lint/suspicious/noExplicitAny: ESTree nodes of many kinds.
type Node = any;

interface Module {
  readonly path: string;
  readonly text: string;
  readonly body: readonly Node[];
  readonly comments: readonly Comment[];
}

interface Found {
  readonly module: Module;
  /** Where the declaration begins, `export` included. */
  readonly start: number;
  readonly declaration: Node;
}

const modules = new Map<string, Module>();

export function publicMembers(entry = join(root, "src/index.ts")): PublicMember[] {
  const members = new Map<string, PublicMember>();
  for (const name of exportedNames(load(entry))) {
    const found = find(load(entry), name);
    if (found === null) throw new Error(`${entry} does not have ${name}`);
    for (const member of membersOf(name, found)) if (!members.has(member.name)) members.set(member.name, member);
  }
  return [...members.values()];
}

function load(path: string): Module {
  const known = modules.get(path);
  if (known !== undefined) return known;
  const text = readFileSync(path, "utf8");
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
  const module = { path, text, body: program.body, comments };
  modules.set(path, module);
  return module;
}

function exportedNames({ body }: Module): string[] {
  return body
    .filter(({ type }) => type === "ExportNamedDeclaration")
    .flatMap(({ declaration, specifiers }) =>
      declaration === null ? specifiers.map(({ exported }: Node) => exported.name) : [declaration.id.name],
    );
}

/** The declaration of `name` in `module`, or where it is exported or imported from; null: it is none of the sources'. */
function find(module: Module, name: string): Found | null {
  for (const statement of module.body) {
    const declaration = statement.declaration ?? statement;
    const declared = declaration.id?.name ?? declaration.declarations?.[0]?.id?.name;
    if (declared === name) return { module, start: statement.start, declaration };
    for (const { exported, local, imported } of statement.specifiers ?? []) {
      if (statement.source === null || (exported ?? local).name !== name) continue;
      const path = join(dirname(module.path), statement.source.value.replace(/\.js$/, ".ts"));
      if (existsSync(path)) return find(load(path), (imported ?? local).name);
    }
  }
  return null;
}

function membersOf(name: string, { module, start, declaration }: Found): PublicMember[] {
  const own = describe(module, name, start);
  const seen = new Set<string>();
  const members: PublicMember[] = [];
  for (const member of bodyOf(declaration)) {
    const key = member.key;
    // Of overloads and of a getter with its setter the first one speaks.
    if (!isPublic(member) || key === undefined || seen.has(key.name ?? key.value)) continue;
    seen.add(key.name ?? key.value);
    const isMethod = member.kind === "method";
    members.push({ ...describe(module, `${name}.${key.name ?? key.value}`, member.start), isMethod });
  }
  const parent = declaration.superClass;
  const above = parent?.type === "Identifier" ? find(module, parent.name) : null;
  return [own, ...members, ...(above === null ? [] : membersOf(name, above).slice(1))];
}

function bodyOf(declaration: Node): readonly Node[] {
  if (declaration.type === "ClassDeclaration" || declaration.type === "TSInterfaceDeclaration")
    return declaration.body.body;
  return declaration.typeAnnotation?.type === "TSTypeLiteral" ? declaration.typeAnnotation.members : [];
}

function isPublic({ accessibility, computed, key, kind }: Node): boolean {
  if (accessibility === "private" || accessibility === "protected" || kind === "constructor") return false;
  return !computed && key?.type !== "PrivateIdentifier";
}

function describe({ path, text, comments }: Module, name: string, start: number): PublicMember {
  const line = text.slice(0, start).split("\n").length;
  const before = comments.filter(({ end }) => end <= start && text.slice(end, start).trim() === "");
  const comment = before.find(({ type, value }) => type === "Block" && value.startsWith("*"));
  const doc = comment?.value.replace(/^\s*\*+ ?/gm, "").trim() ?? null;
  return { name, place: `${relative(root, path)}:${line}`, doc, isMethod: false };
}
