// What every action does: submit one job and hand each partition's records, decoded, to a fold in partition order.

import { decodeStream } from "../../codec/stream.js";
import { RecordStreamReader } from "../../codec/stream-reader.js";
import type { ActionSpec } from "../../plan/lineage.js";
import type { JobSummary } from "../../protocol/driver.js";
import { optionalSignal, requireText } from "../../session/arguments.js";
import type { JobRequest } from "../../session/job-client.js";
import type { Operand } from "../operand.js";

/** Option of an action: hears what its job came to. */
export const whenEnded: unique symbol = Symbol("whenEnded");

/** Options that every action takes last. */
export interface ActionOptions {
  /** Cancels the job when aborted: the promise rejects with JOB_CANCELLED at once. */
  readonly signal?: AbortSignal | undefined;
  /** The pool that the job runs in; it beats that of `session.inPool`. */
  readonly pool?: string | undefined;
  /** @hidden */
  readonly [whenEnded]?: (summary: JobSummary | null) => void;
}

export function jobRequest(at: Operand, action: ActionSpec, options: ActionOptions | undefined): JobRequest {
  const signal = optionalSignal(at.method, options);
  const pool = options?.pool === undefined ? null : requireText(at.method, "options.pool", options.pool);
  const traits = at.session.scopes.traits(pool);
  return {
    root: at.node,
    action,
    callSite: at.callSite,
    callerStack: at.callerStack,
    signal,
    traits,
    onEnd: options?.[whenEnded],
  };
}

/**
 * What `begin` gives gets the records of one partition after the other; partitions without a result are left out. It is asked
 * again, to forget what came so far, when the results start over because a lost input was computed anew and is not the same.
 */
export function runAction(
  at: Operand,
  action: ActionSpec,
  options: ActionOptions | undefined,
  begin: () => (records: unknown[]) => void,
): Promise<void> {
  const { classes } = at.session.values;
  return at.session.run(jobRequest(at, action, options), () => {
    const take = begin();
    return ({ bytes }) => {
      if (bytes.byteLength > 0) take(decodeStream(bytes, classes));
    };
  });
}

/** The records of a job as they are pulled; leaving the loop cancels the job. */
export async function* streamAction(at: Operand, request: JobRequest): AsyncGenerator<unknown, void, void> {
  const { classes } = at.session.values;
  let reader = new RecordStreamReader(classes);
  for await (const { bytes, last } of at.session.stream(request)) {
    for (const batch of reader.push(bytes)) yield* batch;
    if (!last) continue;
    reader.end();
    reader = new RecordStreamReader(classes);
  }
}
