// Hadoop's input formats for text: how lines become records, keys and partitions.

import { MillraceError } from "../../core/errors.js";
import type { TextReadOptions } from "../../rdd/text-read-options.js";
import type { InputForm } from "./map-task.js";
import type { Settings } from "./settings.js";

/** `identity`: there is no mapper, pairs of the input are the output's. Throws INVALID_ARGUMENT. */
export function inputForm(
  named: string | undefined,
  settings: Settings,
  identity: boolean,
): { readonly input: InputForm; readonly read: TextReadOptions } {
  const format = named?.split(".").at(-1) ?? "TextInputFormat";
  if (!["TextInputFormat", "KeyValueTextInputFormat", "NLineInputFormat"].includes(format))
    throw new MillraceError(
      "INVALID_ARGUMENT",
      `streaming: the input format ${named} is not known; TextInputFormat, KeyValueTextInputFormat and NLineInputFormat are`,
      { fields: { inputFormat: String(named) } },
    );
  const key = format === "KeyValueTextInputFormat" ? "field" : "offset";
  // The mapper of TextInputFormat is not shown offsets.
  const givesKey = !(settings.flag("stream.map.input.ignoreKey") ?? format === "TextInputFormat");
  const linesPerPartition =
    format === "NLineInputFormat" ? (settings.whole("mapreduce.input.lineinputformat.linespermap", 1) ?? 1) : undefined;
  const keepEnds = key === "offset" && (givesKey || identity);
  return {
    input: {
      key,
      givesKey,
      keyEnd: settings.separator("mapreduce.input.keyvaluelinerecordreader.key.value.separator"),
      separator: settings.separator("stream.map.input.field.separator"),
    },
    read: {
      encoding: "latin1",
      keepEnds,
      linesPerPartition,
      minPartitions: settings.whole("mapreduce.job.maps", 1),
    },
  };
}
