// The workloads by name. startup and rss are measured from outside, on whole processes: see engines/process-workloads.ts.

import { distinct } from "./distinct.js";
import { grep } from "./grep.js";
import { groupByKey } from "./group-by-key.js";
import { jobs } from "./jobs.js";
import { join } from "./join.js";
import { pagerank } from "./pagerank.js";
import { skew } from "./skew.js";
import { sort } from "./sort.js";
import { manyTasks, tasks } from "./tasks.js";
import { tinyBlocks } from "./tiny-blocks.js";
import { wordcount } from "./wordcount.js";
import type { Workload } from "./workload.js";

export const workloads: Readonly<Record<string, Workload>> = {
  tasks,
  "tasks-100k": manyTasks,
  jobs,
  wordcount,
  grep,
  sort,
  join,
  groupByKey,
  distinct,
  pagerank,
  "tiny-blocks": tinyBlocks,
  skew,
};

export const workloadNames: readonly string[] = ["startup", ...Object.keys(workloads), "rss"];
