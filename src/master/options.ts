// The master machine's options: one slice a component.

import type { OptionValues } from "../core/options.js";
import { defaultJobSchedulerOptions, type JobSchedulerOptions } from "./job-scheduler/index.js";
import { defaultMapOutputsOptions, type MapOutputsOptions } from "./map-outputs/index.js";
import { defaultTaskAssignerOptions, type TaskAssignerOptions } from "./task-assigner/index.js";
import { defaultWorkerRegistryOptions, type WorkerRegistryOptions } from "./worker-registry/index.js";

export interface MasterOptions {
  readonly jobs: JobSchedulerOptions;
  readonly assigner: TaskAssignerOptions;
  readonly workers: WorkerRegistryOptions;
  readonly mapOutputs: MapOutputsOptions;
}

export const defaultMasterOptions: MasterOptions = {
  jobs: defaultJobSchedulerOptions,
  assigner: defaultTaskAssignerOptions,
  workers: defaultWorkerRegistryOptions,
  mapOutputs: defaultMapOutputsOptions,
};

/** The slices that a session's or a master's options decide. */
export function masterOptionsOf(values: OptionValues): MasterOptions {
  return {
    ...defaultMasterOptions,
    jobs: {
      ...defaultMasterOptions.jobs,
      maxTaskFailures: values["task.maxFailures"],
      workerTimeoutMs: values["scheduler.workerTimeout"],
    },
    assigner: { ...defaultMasterOptions.assigner, localityWaitMs: values["locality.wait"] },
  };
}
