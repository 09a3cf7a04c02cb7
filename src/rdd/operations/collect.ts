import { MillraceError } from "../../core/errors.js";
import { requireCount } from "../../session/arguments.js";
import type { Operand } from "../operand.js";
import { type ActionOptions, jobRequest, runAction, streamAction } from "./run-action.js";

export function collect(at: Operand, options: ActionOptions | undefined): Promise<unknown[]> {
  return gather(at, null, options);
}

export function take(at: Operand, n: unknown, options: ActionOptions | undefined): Promise<unknown[]> {
  const limit = requireCount(at.method, "n", n);
  return limit === 0 ? Promise.resolve([]) : gather(at, limit, options);
}

export function first(at: Operand, options: ActionOptions | undefined): Promise<unknown> {
  return gather(at, 1, options).then((records) => {
    if (records.length === 0) throw emptyCollection(at);
    return records[0];
  });
}

export function isEmpty(at: Operand, options: ActionOptions | undefined): Promise<boolean> {
  return gather(at, 1, options).then((records) => records.length === 0);
}

export function toLocalIterator(at: Operand, options: ActionOptions | undefined): AsyncGenerator<unknown, void, void> {
  return streamAction(at, jobRequest(at, { kind: "collect", limit: null, streamed: true }, options));
}

export function emptyCollection(at: Operand): MillraceError {
  return new MillraceError("EMPTY_COLLECTION", `${at.method} needs at least one record, and the RDD has none`, {
    fields: { method: at.method },
  });
}

async function gather(at: Operand, limit: number | null, options: ActionOptions | undefined): Promise<unknown[]> {
  let all: unknown[] = [];
  await runAction(at, { kind: "collect", limit }, options, () => {
    all = [];
    return (records) => {
      for (const record of records) {
        if (limit !== null && all.length === limit) return;
        all.push(record);
      }
    };
  });
  return all;
}
