// Options that several commands have, each in one wording.

import { Option } from "commander";

/** Of a master that runs already. MILLRACE_MASTER stands in for it. */
export function masterOption(mandatory = true, what = "millrace://host:port of the master"): Option {
  return new Option("--master <url>", what).env("MILLRACE_MASTER").makeOptionMandatory(mandatory);
}

/** Of a program, which may run in this process too. */
export function placeOption(): Option {
  return new Option(
    "--master <url>",
    "local, local[N], local[*], local-cluster[workers,slots,memory] or millrace://host:port (default: MILLRACE_MASTER, else local[*])",
  );
}

export function noProgressOption(): Option {
  return new Option("--no-progress", "no progress bar, even on a terminal");
}

export function summaryOption(): Option {
  return new Option(
    "--summary",
    "at the end on stderr: jobs, tasks, records, bytes, spill, time, memory, failures, accumulators",
  );
}

export function secretFileOption(): Option {
  return new Option(
    "--secret-file <path>",
    "the cluster's secret, a file of mode 0600 (default: ~/.millrace/secret, or MILLRACE_SECRET)",
  );
}

export function tlsOption(): Option {
  return new Option("--tls <directory>", "ca.crt, tls.crt and tls.key for encrypted connections (or MILLRACE_TLS)");
}

export function conf(): Option {
  return new Option(
    "--conf <name=value>",
    "a session option, e.g. --conf task.maxFailures=2 (repeatable; `millrace config` lists them)",
  ).argParser((text: string, earlier: string[] | undefined) => [...(earlier ?? []), text]);
}

/** Whoever has it prints one JSON document on stdout and nothing else, and a failure as JSON on stderr. */
export function jsonOption(what: string): Option {
  return new Option("--json", what);
}
