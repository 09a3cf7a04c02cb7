// What an action asks of one partition, as a sink at the end of its chain. The forms of the results are in
// plan/action-results.ts.

import { compareKeys } from "../../codec/keys.js";
import { ObjectSegmentWriter } from "../../codec/object-segments.js";
import { printRecord } from "../../codec/print-record.js";
import { encodeValue, RecordStreamWriter } from "../../codec/stream.js";
import type { CallSite, FunctionRef } from "../../plan/function.js";
import type { ActionSpec } from "../../plan/lineage.js";
import { chainMaybe, isPromise, withClose } from "../batches.js";
import {
  type ChainOperator,
  type ChainRunner,
  compileChain,
  END_ITERATORS,
  type SinkCode,
  type UserFunction,
} from "../chain/chain-code.js";
import type { OpenChain } from "../chain/open-chain.js";
import { chainSource, runChain, type SettledChain, settleChain } from "../chain/settle.js";
import { Combine, countFunctions, freshValues } from "../combine/combine.js";
import { pullable } from "../map-partitions.js";
import type { FragmentResult, MaybePromise, TaskContext } from "../task-context.js";
import { isThenable, operatorFailure, settledValue } from "../user-errors.js";
import { NamedTexts, TEXT_CHUNK } from "./named-texts.js";
import { ResultWriter } from "./result-writer.js";
import { textBytes } from "./text-bytes.js";
import { TopRecords } from "./top-records.js";

interface ActionRun {
  readonly chain: OpenChain;
  readonly site: CallSite;
  readonly context: TaskContext;
  /** An asynchronous function may stand in the chain or below it. */
  readonly gather: boolean;
}

const NO_BYTES = new Uint8Array(0);

export function runAction(action: ActionSpec, run: ActionRun): MaybePromise<FragmentResult> {
  switch (action.kind) {
    case "collect":
      return collect(action.limit, run);
    case "count":
      return count([], run, (n) => ({ kind: "bytes", bytes: encodeValue(n, run.context.classes), records: n }));
    case "foreach":
      return count([functionOperator("map", action.fn, run)], run, (n) => ({
        kind: "bytes",
        bytes: NO_BYTES,
        records: n,
      }));
    case "reduce":
      return fold("reduce", action.fn, null, run);
    case "aggregate":
      return fold("aggregate", action.seq, action.zero, run);
    case "top":
      return top(action, run);
    case "countByKey":
      return countByKey(run);
    case "foreachPartition":
      return foreachPartition(action.fn, run);
    case "saveAsTextFile":
      return saveText(action, run);
    case "saveAsObjectFile":
      return saveObjects(action.url, run);
  }
}

/** Settles the chain with `extra` operators on top, compiles it with the sink and runs it to its end. */
function runSink<S, R, T>(
  run: ActionRun,
  extra: readonly ChainOperator[],
  sink: SinkCode,
  env: S,
  identity: string,
  finish: (runner: ChainRunner & R) => T,
): MaybePromise<T> {
  const { chain, context, site } = run;
  return chainMaybe(settleChain(chain.source, [...chain.operators, ...extra], context), (settled) => {
    const runner = compileChain<S, R>(settled.operators, sink, chainEnv(settled, site, context, env), identity);
    return chainMaybe(runChain(settled, runner, context), () => finish(runner));
  });
}

function chainEnv<S>(settled: SettledChain, site: CallSite, context: TaskContext, sink: S) {
  return {
    partition: context.partition,
    sites: [...settled.operators.map((operator) => operator.site), site],
    checkCancelled: () => context.checkCancelled(),
    sink,
  };
}

function functionOperator(op: "map" | "keyBy", fn: FunctionRef, { context, site }: ActionRun): ChainOperator {
  return { op, fn: context.revive(fn) as UserFunction, hash: fn.hash, async: fn.async, site };
}

const collectSink: SinkCode = {
  name: "collect",
  setup: "let out = [], left = env.limit; const add = (batch) => { env.add(batch); };",
  record: (x) => `if (out.push(${x}) === 1024) { add(out); out = []; }
if (--left === 0) { ${END_ITERATORS} return true; }`,
  pair: null,
  members: "flush: () => { add(out); out = []; }",
};

function collect(limit: number | null, run: ActionRun): MaybePromise<FragmentResult> {
  const { context, chain, site } = run;
  const writer = new ResultWriter(context, site);
  if (limit === 0) {
    chain.source.close();
    return writer.finish();
  }
  const env = { limit: limit ?? -1, add: (batch: readonly unknown[]) => writer.addBatch(batch) };
  return runSink<typeof env, { flush(): void }, FragmentResult>(run, [], collectSink, env, "", (runner) => {
    runner.flush();
    return writer.finish();
  });
}

const countSink: SinkCode = {
  name: "count",
  setup: "let total = 0;",
  record: () => "total++;",
  pair: () => "total++;",
  members: "total: () => total",
};

function count(
  extra: readonly ChainOperator[],
  run: ActionRun,
  result: (n: number) => FragmentResult,
): MaybePromise<FragmentResult> {
  return runSink<null, { total(): number }, FragmentResult>(run, extra, countSink, null, "", (runner) =>
    result(runner.total()),
  );
}

const reduceSink: SinkCode = {
  name: "reduce",
  setup: "const merge = env.merge; let acc, any = false;",
  record: (x) => `if (any) acc = merge(acc, ${x}); else { acc = ${x}; any = true; }`,
  pair: null,
  members: "result: () => (any ? [acc] : [])",
};

const aggregateSink: SinkCode = {
  name: "aggregate",
  setup: "const merge = env.merge; let acc = env.zero();",
  record: (x) => `acc = merge(acc, ${x});`,
  pair: null,
  members: "result: () => [acc]",
};

function fold(
  kind: "reduce" | "aggregate",
  fn: FunctionRef,
  zero: Uint8Array | null,
  run: ActionRun,
): MaybePromise<FragmentResult> {
  const { context } = run;
  const env = {
    merge: context.revive(fn),
    zero: zero === null ? () => undefined : freshValues(zero, context.classes),
  };
  const sink = kind === "reduce" ? reduceSink : aggregateSink;
  return runSink<typeof env, { result(): unknown[] }, FragmentResult>(run, [], sink, env, fn.hash, (runner) =>
    recordsResult(
      runner.result().map((value) => settledValue(value, run.site, context.partition)),
      context,
    ),
  );
}

const pairsSink: SinkCode = {
  name: "pairs",
  setup: "",
  record: null,
  pair: (k, v) => `env.add(${k}, ${v});`,
};

function top(action: Extract<ActionSpec, { kind: "top" }>, run: ActionRun): MaybePromise<FragmentResult> {
  const { context, site } = run;
  const best = new TopRecords(action.n, action.order, compareKeys);
  // keyBy gives (fn(record), record); without a function a record is its own key.
  const operator: ChainOperator =
    action.fn === null
      ? { op: "keyBy", fn: (record: unknown) => record, hash: "identity", async: false, site }
      : functionOperator("keyBy", action.fn, run);
  return runSink<TopRecords, object, FragmentResult>(run, [operator], pairsSink, best, "", () => {
    const writer = new ResultWriter(context, site);
    writer.addBatch(best.result());
    return writer.finish();
  });
}

function countByKey(run: ActionRun): MaybePromise<FragmentResult> {
  const { chain, context, site } = run;
  return chainMaybe(settleChain(chain.source, chain.operators, context), (settled) => {
    const { operators } = settled;
    const writer = new ResultWriter(context, site);
    const combine = new Combine(
      {
        context,
        functions: countFunctions,
        operators,
        sites: [...operators.map((operator) => operator.site), site],
        flushBytes: Infinity,
      },
      ({ keys, values, count: n }) => {
        for (let i = 0; i < n; i++) writer.add([keys[i], values[i]]);
      },
    );
    return withClose(
      () => combine.abort(),
      () =>
        chainMaybe(runChain(settled, combine.runner, context), (): FragmentResult => {
          combine.end();
          return writer.finish();
        }),
    );
  });
}

function foreachPartition(fn: FunctionRef, run: ActionRun): MaybePromise<FragmentResult> {
  const { chain, context, site } = run;
  const call = context.revive(fn) as UserFunction;
  const failure = (error: unknown) => operatorFailure(error, site, context.partition);
  const result: FragmentResult = { kind: "bytes", bytes: NO_BYTES, records: 0 };
  return withClose(
    () => chain.source.close(),
    () =>
      chainMaybe(settleChain(chain.source, chain.operators, context), (settled) =>
        chainMaybe(
          pullable(chainSource(settled, context), context, run.gather),
          (records): MaybePromise<FragmentResult> => {
            let answer: unknown;
            try {
              answer = call(records, context.signal);
            } catch (error) {
              throw failure(error);
            }
            if (!isThenable(answer)) return result;
            return Promise.resolve(answer).then(
              () => result,
              (error: unknown) => {
                throw failure(error);
              },
            );
          },
        ),
      ),
  );
}

const textSink: SinkCode = {
  name: "text",
  setup: `let text = "", lines = 0; const print = env.print;
  function flush() { if (text.length > 0) env.write(text); text = ""; }`,
  record: (x) => `text += print(${x}) + "\\n"; lines++; if (text.length >= ${TEXT_CHUNK}) flush();`,
  pair: null,
  members: "flush, lines: () => lines",
};

function saveText(
  action: Extract<ActionSpec, { kind: "saveAsTextFile" }>,
  run: ActionRun,
): MaybePromise<FragmentResult> {
  const { context } = run;
  const encoding = action.encoding ?? "utf8";
  if (action.outputs !== undefined) return saveNamedTexts({ ...action, encoding, outputs: action.outputs }, run);
  const file = context.openPartFile(action.url, context.partition, action.compression);
  const env = { print: printRecord, write: (text: string) => file.write(textBytes(text, encoding)) };
  const failed = (error: unknown): never => {
    file.abort();
    throw error;
  };
  try {
    const done = runSink<typeof env, { flush(): void; lines(): number }, FragmentResult>(
      run,
      [],
      textSink,
      env,
      "",
      (runner) => {
        runner.flush();
        const { pending, final, sizeBytes } = file.finish();
        const records = runner.lines();
        context.metrics.outputRecords += records;
        context.metrics.outputBytes += sizeBytes;
        return { kind: "file", pending, final, sizeBytes, records };
      },
    );
    return isPromise(done) ? done.catch(failed) : done;
  } catch (error) {
    return failed(error);
  }
}

const addSink: SinkCode = { name: "add", setup: "", record: (x) => `env.add(${x});`, pair: null };

function saveNamedTexts(
  {
    url,
    compression,
    encoding,
    outputs,
  }: { url: string; compression: "none" | "gzip"; encoding: "utf8" | "latin1"; outputs: readonly string[] },
  run: ActionRun,
): MaybePromise<FragmentResult> {
  const { context } = run;
  const open = (output: string) => context.openPartFile(url, context.partition, compression, output || undefined);
  const texts = new NamedTexts(outputs, open, encoding);
  const failed = (error: unknown): never => {
    texts.abort();
    throw error;
  };
  try {
    const done = runSink(run, [], addSink, texts, "", (): FragmentResult => {
      const { sizeBytes, files } = texts.finish();
      const [own, ...also] = files as [(typeof files)[0], ...typeof files];
      context.metrics.outputRecords += texts.lines;
      context.metrics.outputBytes += sizeBytes;
      return { kind: "file", ...own, sizeBytes, records: texts.lines, also };
    });
    return isPromise(done) ? done.catch(failed) : done;
  } catch (error) {
    return failed(error);
  }
}

function saveObjects(url: string, run: ActionRun): MaybePromise<FragmentResult> {
  const { context } = run;
  const file = context.openPartFile(url, context.partition, "none");
  const failed = (error: unknown): never => {
    file.abort();
    throw error;
  };
  try {
    const writer = new ObjectSegmentWriter(context.classes, (bytes) => file.write(bytes));
    const done = runSink(run, [], addSink, writer, "", (): FragmentResult => {
      writer.flush();
      const { pending, final, sizeBytes } = file.finish();
      context.metrics.outputRecords += writer.records;
      context.metrics.outputBytes += sizeBytes;
      return { kind: "file", pending, final, sizeBytes, records: writer.records };
    });
    return isPromise(done) ? done.catch(failed) : done;
  } catch (error) {
    return failed(error);
  }
}

export function recordsResult(records: readonly unknown[], context: TaskContext): FragmentResult {
  const writer = new RecordStreamWriter(context.classes);
  writer.addBatch(records);
  return { kind: "bytes", bytes: writer.finish(), records: records.length };
}
