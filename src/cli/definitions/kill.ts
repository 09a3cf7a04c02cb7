// `millrace kill`: its arguments and help.

import type { Command } from "commander";
import type { KillFlags } from "../flags.js";
import { jsonOption, masterOption, secretFileOption, tlsOption } from "../shared-options.js";

export function defineKill(program: Command): void {
  program
    .command("kill")
    .description("End a session of a running master, or one of its jobs.")
    .argument("<session>", "its id, as `millrace status` shows it, or the beginning of it: s3; s3/2 is job 2 of it")
    .addOption(masterOption())
    .option("--job <n>", "end this job alone; the session stays open and its other jobs go on")
    .option("--reason <text>", "what the driver's user is told beside your name")
    .addOption(secretFileOption())
    .addOption(tlsOption())
    .addOption(jsonOption("print one JSON document: the session, its jobs that were ended, and who asked"))
    .addHelpText(
      "after",
      "\nExamples:\n  millrace kill s3 --master millrace://127.0.0.1:7077\n  millrace kill s3 --job 2 --reason 'the disk is full' --master millrace://127.0.0.1:7077\n\nThe driver's action rejects with JOB_CANCELLED (a job) or SESSION_KILLED (the session and all its running jobs); the message\nsays who asked. Tasks are stopped, unfinished output is removed, cached partitions and shuffle files of a session are deleted.",
    )
    .action(async (session: string, options: KillFlags) =>
      (await import("../commands/kill.js")).kill(session, options),
    );
}
