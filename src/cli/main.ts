// The `millrace` command: one file a subcommand in commands/, loaded when it is called, because start-up time is a promise.

import { Command } from "commander";
import { isMillraceError } from "../core/errors.js";
import { version } from "../core/version.js";
import { defineCompletion } from "./definitions/completion.js";
import { defineExample } from "./definitions/example.js";
import { defineKill } from "./definitions/kill.js";
import type {
  CertsFlags,
  ConfigFlags,
  DecommissionFlags,
  MasterFlags,
  RunFlags,
  ShellFlags,
  StatusFlags,
  WorkerFlags,
} from "./flags.js";
import { formatUsageError, reportError, unknownSubcommand } from "./report-error.js";
import {
  conf,
  jsonOption,
  masterOption,
  noProgressOption,
  placeOption,
  secretFileOption,
  summaryOption,
  tlsOption,
} from "./shared-options.js";

/** Exit code of a failure that is ours; a user's program keeps its own. */
const FAILURE_EXIT_CODE = 1;

const PROGRAMS: ReadonlySet<string> = new Set(["run", "submit"]);

/** Commands whose end is not that of what they print: a program's, or a server's. */
const RUNS_ON: ReadonlySet<string> = new Set(["run", "submit", "example", "master", "worker"]);

/** Whether the command that runs was asked for JSON: its failure is JSON then, too. */
let json = false;

const program = new Command("millrace")
  .description(
    "Distributed map/reduce, RDDs and more for TypeScript: a master, core and task workers, one npm install.",
  )
  .version(version, "-V, --version", "print the version")
  .showSuggestionAfterError()
  .configureOutput({ outputError: (text, write) => write(formatUsageError(text, process.argv.slice(2))) })
  .hook("preAction", (_program, command) => {
    // Of a program that runs, --json is the form of its summary.
    json = command.opts().json === true && command.opts().summary !== true && !PROGRAMS.has(command.name());
    if (!RUNS_ON.has(command.name())) process.stdout.on("error", endWithReader);
  })
  .enablePositionalOptions()
  .addHelpText(
    "after",
    `
Examples:
  millrace run counts.ts logs/                        tasks in this process, a slot for each core
  millrace run --master local-cluster[2,1,1g] counts.ts
  millrace shell                                      a TypeScript prompt with an open session
  millrace master --port 7077                         a master that waits for workers and drivers
  millrace worker --master millrace://127.0.0.1:7077
  millrace worker decommission <id> --master millrace://127.0.0.1:7077
  millrace submit --master millrace://127.0.0.1:7077 counts.ts logs/
  millrace streaming -input books/ -output out -mapper "tr -s ' ' '\\n'" -reducer "uniq -c"
  millrace status --master millrace://127.0.0.1:7077 --watch
  millrace kill s1 --master millrace://127.0.0.1:7077
  millrace example wordcount
  millrace config                                     every option, its value and where it comes from`,
  );

program
  .command("run")
  .description("Run a TypeScript or JavaScript program in this process; it opens its own Session.")
  .argument(
    "<program>",
    'a .ts, .mts, .cts, .js, .mjs or .cjs file anywhere on disk; it may import "millrace" without an install of its own',
  )
  .argument("[args...]", "everything after the program's name is its own")
  .addOption(placeOption())
  .addOption(conf())
  .addOption(secretFileOption())
  .addOption(tlsOption())
  .addOption(noProgressOption())
  .addOption(summaryOption())
  .addOption(jsonOption("with --summary: as one line of JSON"))
  .passThroughOptions()
  .addHelpText(
    "after",
    "\nExamples:\n  millrace run counts.ts --top 10 logs/*.txt\n  millrace run --master local[2] --conf driver.maxResultSize=2g counts.ts\n  millrace run --summary counts.ts\n\nThe exit code is the program's own.",
  )
  .action(async (path: string, args: string[], options: RunFlags) =>
    (await import("./commands/run.js")).run(path, args, options),
  );

program
  .command("submit")
  .description("Run a program against a running master.")
  .addOption(masterOption())
  .addOption(conf())
  .addOption(secretFileOption())
  .addOption(tlsOption())
  .addOption(noProgressOption())
  .addOption(summaryOption())
  .addOption(jsonOption("with --summary: as one line of JSON"))
  .argument("<program>", "a .ts, .mts, .cts, .js, .mjs or .cjs file anywhere on disk")
  .argument("[args...]", "everything after the program's name is its own")
  .passThroughOptions()
  .addHelpText(
    "after",
    "\nExample:\n  millrace submit --master millrace://10.0.0.5:7077 --secret-file ~/.millrace/secret counts.ts logs/\n\nThe exit code is the program's own.",
  )
  .action(async (path: string, args: string[], options: RunFlags) =>
    (await import("./commands/run.js")).run(path, args, options),
  );

const streaming = program
  .command("streaming")
  .description("Run a map/reduce job whose mapper and reducer are commands, with the arguments of Hadoop streaming.")
  .argument("[arguments...]", "-input, -output, -mapper, -reducer and the others, with one dash or two")
  .usage("-input <path> -output <directory> -mapper <command> -reducer <command|NONE> [...]")
  .allowUnknownOption()
  .passThroughOptions()
  .addHelpText(
    "after",
    `
  -input <path>            files, directories or globs, several by commas or by several -input
  -output <directory>      made by the job; must not be there yet
  -mapper <command>        gets lines, prints key, tab, value; default: offset and line
  -reducer <command|NONE>  gets the pairs sorted by key; default: they are printed; NONE: map only;
                           aggregate: as keys such as LongValueSum:words say
  -combiner <command>      a reducer for parts of a mapper's output
  -numReduceTasks <n>      part files of the output (default 1)
  -file <path>             put into the working directory of every task, executable (repeatable)
  -files <a,b,c#name>      the same, several, with other names behind a #
  -D <name=value>          a setting of Hadoop's, e.g. -D stream.num.map.output.key.fields=2 (repeatable)
  -cmdenv <name=value>     a variable of the commands' environment (repeatable)
  -partitioner <class>     HashPartitioner or KeyFieldBasedPartitioner
  -inputformat <class>     TextInputFormat, KeyValueTextInputFormat or NLineInputFormat
  -master <url>            as for run (default: MILLRACE_MASTER, else local[*])
  -conf <name=value>       an option of millrace's (repeatable)
  -secret-file <path>      the cluster's secret
  -tls <directory>         for a cluster whose connections are encrypted
  -verbose, -no-progress

Examples:
  millrace streaming -input books/ -output out/counts -mapper "tr -s ' ' '\\n'" -reducer "uniq -c"
  millrace streaming -master millrace://127.0.0.1:7077 -files map.py,reduce.py -mapper "python3 map.py" \\
    -reducer "python3 reduce.py" -numReduceTasks 4 -input logs/ -output out/logs

Commands are cut into words as a shell does, but no shell runs: for a pipe write -mapper "sh -c 'a | b'".`,
  )
  .action(async (args: string[]) => {
    if (args.some((one) => /^--?(?:help|info)$/.test(one))) return streaming.help();
    await (await import("./commands/streaming.js")).streaming(args);
  });

program
  .command("shell")
  .description("A TypeScript prompt with an open session; or, with -e or piped text, a script without a file.")
  .addOption(placeOption())
  .addOption(conf())
  .addOption(secretFileOption())
  .addOption(tlsOption())
  .option("-e, --eval <code>", "run this instead of asking, print what its last expression gives, and end")
  .option("--rows <n>", "how many rows a table shows", "20")
  .addOption(noProgressOption())
  .addHelpText(
    "after",
    `
Examples:
  millrace shell
  millrace shell --master local-cluster[2,1,1g]
  millrace shell -e 'session.textFile("README.md").count()'
  millrace shell < questions.ts

The prompt's history is kept in ~/.millrace/shell_history.`,
  )
  .action(async (options: ShellFlags) => (await import("./commands/shell.js")).shell(options));

program
  .command("master")
  .description("Start a master and keep it running.")
  .option("--host <address>", "address to listen on; beyond loopback only with --tls or --insecure", "127.0.0.1")
  .option("--port <n>", "port to listen on; 0 takes a free one", "7077")
  .option("--advertise <host>", "the name under which others reach this host (default: --host)")
  .option(
    "--secret-file <path>",
    "the cluster's secret, a file of mode 0600; made when it is not there (default: ~/.millrace/secret, or MILLRACE_SECRET)",
  )
  .addOption(tlsOption())
  .option("--insecure", "allow listening beyond loopback without TLS: whoever can read the network can read the data")
  .option("--event-log-dir <path>", "where the event logs of sessions go (default: ~/.millrace/events)")
  .addHelpText(
    "after",
    "\nExamples:\n  millrace master\n  millrace master --host 0.0.0.0 --advertise node1.lan --insecure\n\nIt prints its URL on stdout once it listens, and ends on SIGTERM or Ctrl-C.",
  )
  .action(async (options: MasterFlags) => (await import("./commands/master.js")).master(options));

const worker = program
  .command("worker")
  .description("Start a worker and keep it running; or, by a subcommand, let one go.")
  // Not requiredOption: that would ask for it before the name of a subcommand, which has one of its own.
  .addOption(masterOption(false, "millrace://host:port of the master (required)"))
  .option("--role <role>", "core (stays) or task (may vanish); both run tasks alike", "core")
  .option("--slots <n>", "attempts that run at once, each in a thread (default: the cores this process may use)")
  .option("--memory <size>", "memory of the whole process, e.g. 2g (default: half of what this machine or cgroup has)")
  .option("--local-dir <path>", "directory for shuffle files and spills (default: the system's temporary directory)")
  .option("--host <address>", "address to serve blocks on; beyond loopback only with --tls or --insecure", "127.0.0.1")
  .option("--port <n>", "port to serve blocks on; 0 takes a free one", "0")
  .option("--advertise <host>", "the name under which others reach this host (default: --host)")
  .option("--node <name>", "the node this worker stands on, for locality (default: the host name)")
  .option("--id <id>", "a name that stays the same over restarts (default: the host name and 8 hexadecimal digits)")
  .addOption(secretFileOption())
  .addOption(tlsOption())
  .option("--insecure", "allow listening beyond loopback without TLS")
  .option("--master-timeout <time>", "how long to look for a master that does not answer before giving up", "10min")
  .addHelpText(
    "after",
    "\nExamples:\n  millrace worker --master millrace://127.0.0.1:7077\n  millrace worker --master millrace://node1.lan:7077 --role task --slots 4 --memory 8g\n\nOn SIGTERM or SIGPWR it is decommissioned: it takes no more tasks, finishes those that it runs, gives its shuffle files and\ncached partitions to other workers and ends, within decommission.timeout (MILLRACE_DECOMMISSION_TIMEOUT, 2min). A second\none, or Ctrl-C, ends it at once; its running tasks then go to other workers.",
  )
  .allowExcessArguments()
  .action(async (options: Partial<WorkerFlags>) => {
    if (worker.args[0] !== undefined) worker.error(unknownSubcommand(worker, worker.args[0]));
    if (options.master === undefined) worker.error("error: required option '--master <url>' not specified");
    await (await import("./commands/worker.js")).worker(options as WorkerFlags);
  });

worker
  .command("decommission")
  .description(
    "Let a worker of a running master go without losing work: what it holds is given to other workers first.",
  )
  .argument("<id>", "the worker's id, as `millrace status` shows it")
  .addOption(masterOption())
  .option(
    "--timeout <time>",
    "it leaves after this long whatever is left, e.g. 10min (default: the master's decommission.timeout, 2min)",
  )
  .option("--no-wait", "do not wait until it has left")
  .addOption(jsonOption("print one JSON document, once it has left (with --no-wait: once it is told)"))
  .addOption(secretFileOption())
  .addOption(tlsOption())
  .addHelpText(
    "after",
    "\nExamples:\n  millrace worker decommission node7-3f2a --master millrace://127.0.0.1:7077\n  millrace worker decommission node7-3f2a --master millrace://node1.lan:7077 --timeout 10min --no-wait\n\nIts running tasks finish, its map outputs and cached partitions are moved, then its process ends; nothing is computed again.\nAt the end of the time it leaves anyway: tasks that still run go to others uncharged, what was not moved is computed again.\n`millrace status` shows how far it is. The exit code is 0 once it has left, or with --no-wait once it is told.",
  )
  .action(async (id: string, options: DecommissionFlags) =>
    (await import("./commands/decommission.js")).decommission(id, options),
  );

program
  .command("certs")
  .description("Make an authority and a certificate for encrypted connections (mutual TLS) inside a cluster.")
  .requiredOption("--out <directory>", "where they go: ca.crt, tls.crt, tls.key, and ca.key where the authority is new")
  .option("--hosts <names>", "names and addresses that others dial, separated by commas", "localhost,127.0.0.1")
  .option("--ca <directory>", "sign with the authority that was made there (default: make a new one)")
  .option("--days <n>", "how long the certificate is valid; a new authority is for ten years", "365")
  .addHelpText(
    "after",
    "\nExamples:\n  millrace certs --out tls --hosts node1.lan,node2.lan,10.0.0.5\n  millrace certs --out tls-node3 --hosts node3.lan --ca tls\n  millrace master --host 0.0.0.0 --advertise node1.lan --tls tls\n\nEvery process of the cluster, drivers too, then needs --tls or MILLRACE_TLS. The cluster's secret is needed as before.",
  )
  .action(async (options: CertsFlags) => (await import("./commands/certs.js")).certs(options));

program
  .command("status")
  .description("Show workers, sessions, jobs, stages and cached RDDs of a running master; or sessions that have ended.")
  .addOption(masterOption(false, "millrace://host:port of a running master"))
  .addOption(secretFileOption())
  .addOption(tlsOption())
  .addOption(jsonOption("print one JSON document instead of tables; with --watch one a line"))
  .option("--watch", "show it until Ctrl-C, refreshed in place; in a pipe a line whenever something changed")
  .option("--interval <time>", "how often --watch asks the master, e.g. 500ms", "1s")
  .option("--history [session]", "sessions from their event logs, newest first; or one of them in detail, by its id")
  .option("--event-log-dir <path>", "with --history: where the event logs are (default: eventLog.dir)")
  .option("--limit <n>", "with --history: sessions that are listed (default: 20)")
  .addHelpText(
    "after",
    "\nExamples:\n  millrace status --master millrace://127.0.0.1:7077\n  millrace status --master millrace://127.0.0.1:7077 --watch --interval 500ms\n  millrace status --master millrace://127.0.0.1:7077 --json | jq .workers\n  millrace status --history\n  millrace status --history s1-mfz3k2-9a7c1e --json | jq '.stages[].runTime'",
  )
  .action(async (options: StatusFlags) => (await import("./commands/status.js")).status(options));

program
  .command("config")
  .description("Show every option, its value, and where the value comes from.")
  .argument("[program]", "the program whose directory may have a millrace.json (default: this directory)")
  .option("--master <url>", "as for `millrace run`")
  .addOption(conf())
  .addOption(jsonOption("print a JSON array, with defaults, variables, forms and help too"))
  .addHelpText(
    "after",
    "\nWhere a value may come from, the strongest first: the command line (--master, --conf), a variable (MILLRACE_MEMORY for\nmemory), millrace.json beside the program (its line is shown), the default.\n\nExamples:\n  millrace config\n  MILLRACE_MEMORY=4g millrace config counts.ts\n  millrace config --json | jq -r '.[].variable'\n\nWhat a program gives to Session.open itself beats all of these.",
  )
  .action(async (path: string | undefined, options: ConfigFlags) =>
    (await import("./commands/config.js")).config(path, options),
  );

defineKill(program);
defineExample(program);
defineCompletion(program);

try {
  await program.parseAsync();
} catch (error) {
  reportError(error, json);
  process.exitCode = isMillraceError(error) ? FAILURE_EXIT_CODE : (process.exitCode ?? FAILURE_EXIT_CODE);
}

/** `millrace config | head -1`: whoever reads has enough. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
}
