// Hadoop streaming's command line: long names behind one dash (or two), -D name=value, in any order. Pure: what is asked for,
// or an error that says which argument is wrong. What Hadoop has and millrace has not is refused by name.

import { MillraceError } from "../core/errors.js";
import { nearestName } from "../core/options.js";
import type { StreamingJob } from "../index.js";

export interface StreamingArguments {
  readonly job: StreamingJob;
  readonly master: string | undefined;
  readonly secretFile: string | undefined;
  readonly tls: string | undefined;
  /** millrace's own options, name=value. */
  readonly conf: readonly string[];
  readonly verbose: boolean;
  readonly progress: boolean;
}

/** By name: how many values follow, and whether it may come again. */
const OPTIONS: Readonly<Record<string, "one" | "many" | "flag">> = {
  input: "many",
  output: "one",
  mapper: "one",
  reducer: "one",
  combiner: "one",
  numReduceTasks: "one",
  file: "many",
  files: "many",
  cacheFile: "many",
  D: "many",
  jobconf: "many",
  cmdenv: "many",
  partitioner: "one",
  inputformat: "one",
  outputformat: "one",
  master: "one",
  "secret-file": "one",
  tls: "one",
  conf: "many",
  verbose: "flag",
  "no-progress": "flag",
};

const REFUSED: Readonly<Record<string, string>> = {
  archives: "unpack it and give the files by -files",
  cacheArchive: "unpack it and give the files by -files",
  libjars: "there are no Java classes here",
  io: "commands read and write text lines; typed bytes are not known",
  inputreader: "use -inputformat TextInputFormat, KeyValueTextInputFormat or NLineInputFormat",
  mapdebug: "the error of a failed task has the command's last words",
  reducedebug: "the error of a failed task has the command's last words",
  lazyOutput: "every reducer writes its part file, an empty one too",
  background: "run it in the background by the shell: millrace streaming ... &",
  debug: "use -verbose",
  jt: "the cluster is named by -master",
  fs: "paths are read as they are written; file: URLs and plain paths are known",
  dfs: "paths are read as they are written; file: URLs and plain paths are known",
};

/** Throws UNKNOWN_OPTION and INVALID_OPTION. */
export function parseStreamingArguments(args: readonly string[]): StreamingArguments {
  const given = readOptions(args);
  const one = (name: string) => given.get(name)?.at(-1);
  const many = (name: string) => given.get(name) ?? [];
  const required = (name: string) => {
    const value = one(name);
    if (value === undefined) throw invalid(`-${name} is missing: millrace streaming -help shows what is needed`, name);
    return value;
  };
  const input = many("input");
  if (input.length === 0) required("input");
  const output = required("output");
  const outputFormat = one("outputformat")?.split(".").at(-1);
  if (outputFormat !== undefined && outputFormat !== "TextOutputFormat")
    throw invalid(`-outputformat ${one("outputformat")}: TextOutputFormat is the one that is known`, "outputformat");
  const reducers = one("numReduceTasks");
  if (reducers !== undefined && !/^\d{1,7}$/.test(reducers))
    throw invalid(`-numReduceTasks ${reducers}: a whole number was expected`, "numReduceTasks");
  return {
    job: {
      input: input.flatMap(splitCommas),
      output,
      mapper: one("mapper"),
      reducer: one("reducer"),
      combiner: one("combiner"),
      reducers: reducers === undefined ? undefined : Number(reducers),
      files: [...many("file"), ...many("cacheFile"), ...many("files").flatMap(splitCommas)],
      env: pairs("cmdenv", many("cmdenv")),
      settings: { ...pairs("jobconf", many("jobconf")), ...pairs("D", many("D")) },
      partitioner: one("partitioner"),
      inputFormat: one("inputformat"),
    },
    master: one("master"),
    secretFile: one("secret-file"),
    tls: one("tls"),
    conf: many("conf"),
    verbose: given.has("verbose"),
    progress: !given.has("no-progress"),
  };
}

function readOptions(args: readonly string[]): Map<string, string[]> {
  const given = new Map<string, string[]>();
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] as string;
    const [name, inline] = optionOf(argument);
    const kind = OPTIONS[name] as "one" | "many" | "flag";
    const values = given.get(name) ?? [];
    given.set(name, values);
    if (kind === "flag") continue;
    const value = inline ?? args[++at];
    if (value === undefined) throw invalid(`${argument}: a value must follow`, name);
    if (kind === "one" && values.length > 0) throw invalid(`-${name} stands twice`, name);
    values.push(value);
    // -input and -file take all that follows, as Hadoop's do.
    while ((name === "input" || name === "file") && at + 1 < args.length && !args[at + 1]?.startsWith("-"))
      values.push(args[++at] as string);
  }
  return given;
}

/** The name, and a value that stands in the same word (-Dname=value). */
function optionOf(argument: string): [name: string, inline: string | undefined] {
  const name = /^--?([^-].*)$/.exec(argument)?.[1];
  if (name === undefined)
    throw invalid(
      `${argument} is no option: every argument is -name value; quote a command of several words`,
      argument,
    );
  if (Object.hasOwn(OPTIONS, name)) return [name, undefined];
  if (/^D./.test(name)) return ["D", name.slice(1)];
  if (Object.hasOwn(REFUSED, name))
    throw new MillraceError("UNKNOWN_OPTION", `-${name} is Hadoop's, not millrace's: ${REFUSED[name]}`, {
      fields: { name },
    });
  const nearest = nearestName(name, Object.keys(OPTIONS));
  const hint = nearest === undefined ? "millrace streaming -help lists all" : `did you mean -${nearest}?`;
  throw new MillraceError("UNKNOWN_OPTION", `there is no option ${argument}; ${hint}`, { fields: { name } });
}

/** Commas part paths, as in Hadoop, but not those inside {a,b}. */
function splitCommas(list: string): string[] {
  return list.split(/,(?![^{]*\})/).filter(Boolean);
}

function pairs(option: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at <= 0) throw invalid(`-${option} ${text}: name=value was expected`, option);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function invalid(message: string, name: string): MillraceError {
  return new MillraceError("INVALID_OPTION", message, { fields: { name } });
}
