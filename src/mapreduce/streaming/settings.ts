// Hadoop's settings (-D name=value) as a streaming job reads them: old names mean the new ones, values are checked when they
// are asked for. A setting that nothing here reads is passed on to the commands' environment, as Hadoop does.

import { MillraceError } from "../../core/errors.js";

/** Names of Hadoop 1 and what they are called since. */
const RENAMED: Readonly<Record<string, string>> = {
  "mapred.reduce.tasks": "mapreduce.job.reduces",
  "mapred.map.tasks": "mapreduce.job.maps",
  "mapred.job.name": "mapreduce.job.name",
  "mapred.task.timeout": "mapreduce.task.timeout",
  "mapred.map.max.attempts": "mapreduce.map.maxattempts",
  "mapred.reduce.max.attempts": "mapreduce.reduce.maxattempts",
  "mapred.map.tasks.speculative.execution": "mapreduce.map.speculative",
  "mapred.reduce.tasks.speculative.execution": "mapreduce.reduce.speculative",
  "mapred.output.compress": "mapreduce.output.fileoutputformat.compress",
  "mapred.output.compression.codec": "mapreduce.output.fileoutputformat.compress.codec",
  "mapred.textoutputformat.separator": "mapreduce.output.textoutputformat.separator",
  "mapred.line.input.format.linespermap": "mapreduce.input.lineinputformat.linespermap",
  "key.value.separator.in.input.line": "mapreduce.input.keyvaluelinerecordreader.key.value.separator",
  "map.output.key.field.separator": "mapreduce.map.output.key.field.separator",
  "mapred.text.key.partitioner.options": "mapreduce.partition.keypartitioner.options",
  "mapred.text.key.comparator.options": "mapreduce.partition.keycomparator.options",
  "mapred.output.key.comparator.class": "mapreduce.job.output.key.comparator.class",
  "mapred.partitioner.class": "mapreduce.job.partitioner.class",
  "num.key.fields.for.partition": "mapreduce.partition.keypartitioner.fields",
};

export class Settings {
  readonly #values = new Map<string, string>();

  constructor(given: Readonly<Record<string, string>>) {
    for (const [name, value] of Object.entries(given)) this.#values.set(RENAMED[name] ?? name, String(value));
  }

  /** All of them, by their new names. */
  get all(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#values);
  }

  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** A separator, whose bytes are those of its UTF-8. Default: tab. */
  separator(name: string): string {
    const text = this.#values.get(name);
    return text === undefined ? "\t" : Buffer.from(text, "utf8").toString("latin1");
  }

  whole(name: string, least: number): number | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < least)
      throw wrong(name, text, `a whole number of at least ${least} was expected`);
    return value;
  }

  flag(name: string): boolean | undefined {
    const text = this.#values.get(name)?.toLowerCase();
    if (text === undefined) return undefined;
    if (text !== "true" && text !== "false") throw wrong(name, text, "true or false was expected");
    return text === "true";
  }

  /** The last part of a Java class name. */
  className(name: string): string | undefined {
    return this.#values.get(name)?.split(".").at(-1);
  }
}

export function wrong(name: string, value: string, expected: string): MillraceError {
  return new MillraceError("INVALID_ARGUMENT", `streaming: -D ${name}=${value}: ${expected}`, {
    fields: { setting: name, value },
  });
}
