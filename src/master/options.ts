// The master machine's options: one slice a component.

import type { OptionName } from "../core/option-table.js";
import type { OptionValues } from "../core/options.js";
import { parsePools } from "../core/scheduler-pools.js";
import { type DecommissionOptions, defaultDecommissionOptions } from "./decommission/index.js";
import {
  defaultJobSchedulerOptions,
  type ExclusionPolicy,
  type JobSchedulerOptions,
  type SessionPolicy,
  type SessionScheduling,
  type SpeculationPolicy,
  usualExclusion,
  usualSpeculation,
} from "./job-scheduler/index.js";
import { defaultMapOutputsOptions, type MapOutputsOptions } from "./map-outputs/index.js";
import { defaultTaskAssignerOptions, type TaskAssignerOptions } from "./task-assigner/index.js";
import { defaultWorkerRegistryOptions, type WorkerRegistryOptions } from "./worker-registry/index.js";

export interface MasterOptions {
  readonly jobs: JobSchedulerOptions;
  readonly assigner: TaskAssignerOptions;
  readonly workers: WorkerRegistryOptions;
  readonly mapOutputs: MapOutputsOptions;
  readonly decommission: DecommissionOptions;
}

export const defaultMasterOptions: MasterOptions = {
  jobs: defaultJobSchedulerOptions,
  assigner: defaultTaskAssignerOptions,
  workers: defaultWorkerRegistryOptions,
  mapOutputs: defaultMapOutputsOptions,
  decommission: defaultDecommissionOptions,
};

/** What a session's portable options decide for its own jobs; `defaults` where they do not say. */
export function sessionPolicyOf(
  options: Readonly<Record<string, string | number | boolean>>,
  defaults: MasterOptions,
): SessionPolicy & SessionScheduling {
  const numberOr = (name: OptionName, fallback: number) => {
    const value = options[name];
    return typeof value === "number" ? value : fallback;
  };
  const enabled = options["join.skew.enabled"];
  const { skew } = defaults.jobs;
  return {
    skew: {
      enabled: typeof enabled === "boolean" ? enabled : skew.enabled,
      factor: numberOr("join.skew.factor", skew.factor),
      thresholdBytes: numberOr("join.skew.threshold", skew.thresholdBytes),
    },
    maxTaskFailures: numberOr("task.maxFailures", defaults.jobs.maxTaskFailures),
    workerTimeoutMs: numberOr("scheduler.workerTimeout", defaults.jobs.workerTimeoutMs),
    maxResultsAheadBytes: numberOr("driver.maxResultsAhead", defaults.jobs.maxResultsAheadBytes),
    localityWaitMs: numberOr("locality.wait", defaults.assigner.localityWaitMs),
    groupMs: numberOr("scheduler.groupTime", defaults.assigner.groupMs),
    pools: {
      mode: options["scheduler.mode"] === "FAIR" ? "FAIR" : "FIFO",
      pools: parsePools(options["scheduler.pools"] ?? {}, "option scheduler.pools"),
    },
    speculation: (options.speculation ?? defaults.jobs.speculation !== null) ? speculationOf(numberOr) : null,
    exclusion: (options["exclude.enabled"] ?? defaults.jobs.exclusion !== null) ? exclusionOf(numberOr) : null,
  };
}

type NumberOption = (name: OptionName, fallback: number) => number;

function speculationOf(numberOr: NumberOption): SpeculationPolicy {
  const usual = usualSpeculation;
  return {
    intervalMs: numberOr("speculation.interval", usual.intervalMs),
    multiplier: numberOr("speculation.multiplier", usual.multiplier),
    quantile: numberOr("speculation.quantile", usual.quantile),
    minTaskRuntimeMs: numberOr("speculation.minTaskRuntime", usual.minTaskRuntimeMs),
    processRateMultiplier: numberOr("speculation.processRateMultiplier", usual.processRateMultiplier),
    longRunTaskFactor: numberOr("speculation.longRunTaskFactor", usual.longRunTaskFactor),
  };
}

function exclusionOf(numberOr: NumberOption): ExclusionPolicy {
  const usual = usualExclusion;
  return {
    timeoutMs: numberOr("exclude.timeout", usual.timeoutMs),
    attemptsOfTaskPerWorker: numberOr("exclude.task.maxAttemptsPerWorker", usual.attemptsOfTaskPerWorker),
    attemptsOfTaskPerNode: numberOr("exclude.task.maxAttemptsPerNode", usual.attemptsOfTaskPerNode),
    tasksOfStagePerWorker: numberOr("exclude.stage.maxFailedTasksPerWorker", usual.tasksOfStagePerWorker),
    workersOfStagePerNode: numberOr("exclude.stage.maxFailedWorkersPerNode", usual.workersOfStagePerNode),
    tasksOfSessionPerWorker: numberOr("exclude.session.maxFailedTasksPerWorker", usual.tasksOfSessionPerWorker),
    workersOfSessionPerNode: numberOr("exclude.session.maxFailedWorkersPerNode", usual.workersOfSessionPerNode),
  };
}

/** The slices that a session's or a master's options decide. */
export function masterOptionsOf(values: OptionValues): MasterOptions {
  return {
    ...defaultMasterOptions,
    jobs: {
      ...defaultMasterOptions.jobs,
      maxTaskFailures: values["task.maxFailures"],
      workerTimeoutMs: values["scheduler.workerTimeout"],
      maxResultsAheadBytes: values["driver.maxResultsAhead"],
      skew: {
        enabled: values["join.skew.enabled"],
        factor: values["join.skew.factor"],
        thresholdBytes: values["join.skew.threshold"],
      },
    },
    assigner: {
      ...defaultMasterOptions.assigner,
      localityWaitMs: values["locality.wait"],
      groupMs: values["scheduler.groupTime"],
    },
    decommission: { ...defaultMasterOptions.decommission, timeoutMs: values["decommission.timeout"] },
    workers: {
      ...defaultMasterOptions.workers,
      heartbeatMs: values["worker.heartbeat"],
      heartbeatTimeoutMs: values["worker.heartbeatTimeout"],
    },
  };
}
