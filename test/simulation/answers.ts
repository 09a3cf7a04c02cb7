// How a job must have ended: with the model's answer, or with an error that something in the run explains. A job that saves
// leaves its whole output, exactly, or nothing.

import type { TaskKey } from "../../src/core/ids.js";
import type { DriverJob, SimulatedDriver } from "./cluster/driver.js";
import type { Versions } from "./versions.js";
import type { Disks } from "./world/disk.js";

export interface Answered {
  readonly driver: SimulatedDriver;
  readonly job: DriverJob;
  readonly disks: Disks;
  /** Set where functions give other records each time: which versions of map outputs the answer was made from. */
  readonly versions: Versions | null;
  /** The attempts that gave the answer. */
  readonly contributors: Iterable<TaskKey>;
  /** Whether a fault has broken the commit of the output at a path. */
  outputBroken(path: string): boolean;
}

export function checkAnswer(answered: Answered): string[] {
  const { driver, job } = answered;
  const name = `${driver.node.name}, job ${job.id}`;
  const { action } = job.plan;
  const output = action.kind === "saveAsTextFile" ? action.url.slice("file://".length) : null;
  const { ended } = job;
  if (ended === null || ended.code !== null) {
    const problems = ended === null || isExplained(answered, output) ? [] : [unexplained(name, job)];
    // A session that ended while its job was being committed leaves it whole; its driver did not hear of it.
    const heard = ended !== null || (job.cancelled && driver.over === "closed");
    if (output === null || !heard) return problems;
    const left = answered.disks.filesBelow(output);
    return left.length === 0
      ? problems
      : [...problems, `[commits once] ${name} did not end well and left ${left.join(", ")}`];
  }
  const { versions, contributors } = answered;
  if (versions !== null)
    return versions.mixed(contributors).map((what) => `[answers are of one version] ${name}: ${what}`);
  const wanted = driver.program.model.answer(job.plan.root, action);
  const given = output === null ? resultsOf(job) : linesOf(answered.disks, output);
  const limit = action.kind === "collect" ? action.limit : null;
  const [right, found] =
    limit === null ? [wanted, given] : [wanted.flat().slice(0, limit), given.flat().slice(0, limit)];
  const texts = [JSON.stringify(right), JSON.stringify(found)] as const;
  return texts[0] === texts[1] ? [] : [`[the answer is the model's] ${name} gave ${texts[1]}, the model ${texts[0]}`];
}

function isExplained({ driver, job, versions, outputBroken }: Answered, output: string | null): boolean {
  const { code = null, message = "" } = job.ended ?? {};
  switch (code) {
    case "JOB_CANCELLED":
      return job.cancelled || driver.over === "closed";
    case "JOB_FAILED":
      return job.doomed || (versions !== null && message.includes("gave other bytes"));
    case "INDETERMINATE_RESULT":
      return versions !== null;
    case "IO_ERROR":
      return output !== null && outputBroken(output);
    default:
      return false;
  }
}

function unexplained(name: string, job: DriverJob): string {
  return `[a job fails only for a reason] ${name} ended with ${job.ended?.code}: ${job.ended?.message}`;
}

function resultsOf(job: DriverJob): unknown[][] {
  return [...job.results].sort(([a], [b]) => a - b).map(([, records]) => [...records]);
}

/** Part files in order, as lines; without the marker of a whole output nothing counts. */
function linesOf(disks: Disks, output: string): string[][] {
  const files = disks.filesBelow(output).sort();
  if (!files.includes(`${output}/_SUCCESS`)) return [["the output has no _SUCCESS"]];
  return files
    .filter((path) => path.includes("/part-"))
    .map((path) => (disks.file(path)?.content.toString("utf8") ?? "").split("\n").slice(0, -1));
}
