// Slice of the master's options that decides where and how far ahead tasks are launched.

export interface TaskAssignerOptions {
  /** A task waits so long for a worker of a better locality, for each level; a session may choose its own. Option `locality.wait`. */
  readonly localityWaitMs: number;
  /** Short tasks of a stage are launched together when their work takes so long at most; 0: never. Option `scheduler.groupTime`. */
  readonly groupMs: number;
  /** One launch takes at most this part of what its stage has waiting for each slot of the cluster: so the last slots end together. */
  readonly groupShare: number;
  /** So much expected work is queued on a worker beyond its slots. */
  readonly queueAheadMs: number;
  /** At most so many attempts beyond the slots on one worker, and so many launches a message. */
  readonly maxQueueAhead: number;
}

export const defaultTaskAssignerOptions: TaskAssignerOptions = {
  localityWaitMs: 3_000,
  groupMs: 20,
  groupShare: 0.5,
  queueAheadMs: 20,
  maxQueueAhead: 256,
};
