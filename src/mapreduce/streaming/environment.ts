// The environment of a streaming command, as Hadoop's users know it: every setting of the job with its dots as underscores,
// the task's own values under their new names and those of Hadoop 1, then what -cmdenv says.

import { displayUrl } from "../../emrfs/url.js";
import type { RunningTask } from "../../plan/handles.js";

export interface JobIdentity {
  /** yyyyMMddHHmm of the submission, and a number of its own: job_202611261200_0001. */
  readonly stamp: string;
  readonly number: string;
  readonly name: string;
  readonly reducers: number;
  readonly inputs: readonly string[];
  readonly output: string;
}

/** What Hadoop 1 called them; both are given. */
const OLD_NAMES: Readonly<Record<string, string>> = {
  mapreduce_job_id: "mapred_job_id",
  mapreduce_job_name: "mapred_job_name",
  mapreduce_job_reduces: "mapred_reduce_tasks",
  mapreduce_task_id: "mapred_tip_id",
  mapreduce_task_attempt_id: "mapred_task_id",
  mapreduce_task_partition: "mapred_task_partition",
  mapreduce_task_ismap: "mapred_task_is_map",
  mapreduce_map_input_file: "map_input_file",
  mapreduce_map_input_start: "map_input_start",
  mapreduce_map_input_length: "map_input_length",
  mapreduce_input_fileinputformat_inputdir: "mapred_input_dir",
  mapreduce_output_fileoutputformat_outputdir: "mapred_output_dir",
  mapreduce_task_output_dir: "mapred_work_output_dir",
};

export function taskEnvironment(
  job: JobIdentity,
  settings: Readonly<Record<string, string>>,
  kind: "map" | "reduce",
  task: RunningTask,
): Record<string, string> {
  const { partition, attempt } = task.key;
  const id = `${job.stamp}_${job.number}`;
  const taskId = `${id}_${kind === "map" ? "m" : "r"}_${String(partition).padStart(6, "0")}`;
  const own: Record<string, string> = {
    mapreduce_job_id: `job_${id}`,
    mapreduce_job_name: job.name,
    mapreduce_job_reduces: String(job.reducers),
    mapreduce_task_id: `task_${taskId}`,
    mapreduce_task_attempt_id: `attempt_${taskId}_${attempt}`,
    mapreduce_task_partition: String(partition),
    mapreduce_task_ismap: String(kind === "map"),
    mapreduce_input_fileinputformat_inputdir: job.inputs.join(","),
    mapreduce_output_fileoutputformat_outputdir: job.output,
    mapreduce_task_output_dir: task.scratch,
    mapreduce_job_local_dir: task.scratch,
    ...inputOf(task),
  };
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(settings)) environment[name.replace(/[^0-9A-Za-z]/g, "_")] = value;
  for (const [name, value] of Object.entries(own)) {
    environment[name] = value;
    const old = OLD_NAMES[name];
    if (old !== undefined) environment[old] = value;
  }
  return { ...environment, TMPDIR: `${task.scratch}/tmp` };
}

/** Of a map task: the file that it reads, and from where to where. */
function inputOf({ splits: [split] }: RunningTask): Record<string, string> {
  if (split === undefined || split.kind !== "file") return {};
  return {
    mapreduce_map_input_file: displayUrl(split.url),
    mapreduce_map_input_start: String(split.start),
    mapreduce_map_input_length: String(split.length),
  };
}
