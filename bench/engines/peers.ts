// The peers: other programs that do the same work on the same files. Each names the workloads that it has. A peer that is not
// installed says how to install it and is left out; it is never replaced by a figure from elsewhere.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { workloads } from "../workloads/index.js";
import type { ChildRequest } from "./child.js";
import type { ProcessSpec } from "./run-process.js";

export interface Peer {
  readonly name: string;
  /** The others are not asked of it. */
  readonly workloads: readonly string[];
  /** null: ready. Else why not, and what to do. */
  missing(): string | null;
  command(request: ChildRequest): ProcessSpec;
}

/** What a single process does on the same files: programs without tasks and jobs. */
const ON_FILES = ["wordcount", "grep", "join", "groupByKey", "distinct"];

export function peersOf(root: string): Readonly<Record<string, Peer>> {
  const folder = join(root, "bench/peers");
  return { spark: spark(folder), python: python(folder), duckdb: duckdb(folder), gnusort: gnuSort() };
}

/** Apache Spark from pyspark's jars, driven by a Java program with closures: a JVM user's Spark, not Python workers. */
function spark(folder: string): Peer {
  const build = join(folder, ".build");
  const jar = join(build, "peer.jar");
  const source = join(folder, "spark/Peer.java");
  const home = sparkHome(folder);
  return {
    name: "spark local[2]",
    workloads: ["startup", ...Object.keys(workloads)],
    missing() {
      if (home === null) return "bench/peers/setup.sh has not been run";
      if (existsSync(jar) && statSync(jar).mtimeMs > statSync(source).mtimeMs) return null;
      mkdirSync(build, { recursive: true });
      const compiled = spawnSync("javac", ["-d", build, "-cp", join(home, "jars", "*"), source], { encoding: "utf8" });
      if (compiled.status !== 0) return `javac (a JDK 17) failed on Peer.java: ${compiled.stderr ?? compiled.error}`;
      const classes = readdirSync(build).filter((name) => name.endsWith(".class"));
      const packed = spawnSync("jar", ["cf", jar, ...classes.flatMap((name) => ["-C", build, name])], {
        encoding: "utf8",
      });
      return packed.status === 0 ? null : `jar failed: ${packed.stderr}`;
    },
    command({ workload, input, second, scratch, repeat, size }) {
      const settings = ["--master", "local[2]", "--driver-memory", "6g", "--conf", "spark.ui.enabled=false"];
      const args = [workload, input || "-", scratch, `${repeat}`, `${size}`, second || "-"];
      return {
        command: join(home as string, "bin/spark-submit"),
        args: ["--class", "Peer", ...settings, "--conf", `spark.local.dir=${scratch}`, jar, ...args],
        env: { SPARK_HOME: home as string, SPARK_LOCAL_IP: "127.0.0.1" },
      };
    },
  };
}

function sparkHome(folder: string): string | null {
  const lib = join(folder, ".venv/lib");
  if (!existsSync(lib)) return null;
  const homes = readdirSync(lib).map((version) => join(lib, version, "site-packages/pyspark"));
  return homes.find((home) => existsSync(join(home, "jars"))) ?? null;
}

/** Plain Python: what a script in one process takes. */
function python(folder: string): Peer {
  return {
    name: "python",
    workloads: ON_FILES,
    missing: () => (spawnSync("python3", ["--version"]).status === 0 ? null : "python3 is not installed"),
    command: ({ workload, input, second }) => ({
      command: "python3",
      args: [join(folder, "python/plain.py"), workload, input, second],
    }),
  };
}

/** DuckDB's SQL, two threads: no closures, columns instead of records. */
function duckdb(folder: string): Peer {
  const command = join(folder, ".venv/bin/python");
  return {
    name: "duckdb",
    workloads: [...ON_FILES, "sort"],
    missing: () =>
      spawnSync(command, ["-c", "import duckdb"]).status === 0 ? null : "bench/peers/setup.sh has not been run",
    command: ({ workload, input, second, scratch, repeat }) => ({
      command,
      args: [join(folder, "python/duck.py"), workload, input, second, scratch, `${repeat}`],
    }),
  };
}

/** GNU sort with two threads and bytewise order. */
function gnuSort(): Peer {
  return {
    name: "GNU sort",
    workloads: ["sort"],
    missing: () => (spawnSync("sort", ["--version"]).stdout?.includes("GNU") ? null : "GNU sort is not installed"),
    command({ input, scratch }) {
      const out = join(scratch, "first");
      mkdirSync(out, { recursive: true });
      const args = ["--parallel=2", "-S", "2G", "-T", scratch, "-k", "1.1,1.10", "-o", join(out, "part-00000"), input];
      return { command: "sort", args, env: { LC_ALL: "C" } };
    },
  };
}
