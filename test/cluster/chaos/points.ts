// The named points of the chaos variant: where in the sources they stand, and the constants of the engine that tests shorten.

import { buildVariant, type Change } from "../../support/variant.js";

const attempt = "src/worker/slot/run-attempt.ts";
const context = "src/worker/slot/attempt-context.ts";
const writer = "src/shuffle/map-output-writer.ts";
const cached = "src/worker/slot/cached-frames.ts";

/** Puts `call` before the text `find`. */
const before = (file: string, find: string, call: string): Change => ({ file, find, put: `${call} ${find}` });
const after = (file: string, find: string, call: string): Change => ({ file, find, put: `${find} ${call}` });

export const points: readonly Change[] = [
  // A task, from its first record to its end. kind: shuffle (a map task), action, sampleKeys, rangeBounds.
  before(
    attempt,
    "const result = storeResult(",
    `chaos("task.begin", { kind: fragment.output.kind, ...call.launch.key, worker: environment.settings.address.worker });`,
  ),
  // At every batch and every 1,024 records.
  before(context, "if (control.isCancelled(this.call.run)) {", `chaos("task.check");`),
  // A frame of a map task, held in memory; then its bytes in the file that is not committed yet.
  after("src/operators/outputs/partition-writer.ts", "this.output.write(p, frame);", `chaos("map.frame");`),
  after(writer, "const pending = this.#openPending();", `chaos("map.beforeCommit");`),
  after(
    writer,
    "offsets[partition] = pending.sizeBytes;",
    `if (partition > 0) chaos("map.file", { path: pending.path });`,
  ),
  before(
    writer,
    "this.#pending = null;\n    this.#end();\n    return",
    `chaos("map.committed", { path, end: offsets[partitions] });`,
  ),
  before(
    "src/emrfs/sync-file.ts",
    "for (let at = 0; at < length; ) at += writeSync(this.#fd, bytes, at, length - at);",
    `chaos("disk.write", { path: this.path });`,
  ),
  before(
    "src/shuffle/spill-store.ts",
    "for (let at = 0; at < length; ) at += writeSync(",
    `chaos("spill.write", { path: this.path });`,
  ),
  // A reducer that has a frame of its input, from a file or from another worker.
  before(
    "src/shuffle/frame-reader.ts",
    "if (found !== null) {\n          this.#count(",
    `if (found !== null) chaos("fetch.frame", { from: origin.kind, map });`,
  ),
  // The block server, with a chunk in its hand, and with the chunk under its seal. block: shuffle, cached, result.
  {
    file: "src/rpc/grpc/server.ts",
    find: 'const sealed = seal.seal(chunk, undefined, "bulk");',
    put: `const seen = name !== "blocks" ? null : { size: chunk.byteLength, block: (unpack(opened.payload) as { kind: string }).kind, role: opened.session.peer.role, drop: () => { for (const socket of this.#sockets) socket.destroy(); } };
          if (seen !== null) chaos("serve.chunk", { ...seen, bytes: chunk });
          const sealed = seal.seal(chunk, undefined, "bulk");
          if (seen !== null) chaos("serve.sealed", { ...seen, bytes: sealed });`,
  },
  // A cached partition of this process, or of another one.
  before(cached, "const length = frameLength(this.#bytes, this.#at);", `chaos("cache.frame", { from: "here" });`),
  before(cached, "// A frame begins at a multiple of 8", `chaos("cache.frame", { from: "there" });\n`),
];

const settings: readonly Change[] = [
  {
    file: "src/master/worker-registry/options.ts",
    find: "reconnectMs: 10_000,",
    put: 'reconnectMs: chaosNumber("RECONNECT_MS", 10_000),',
  },
];

export const changes: readonly Change[] = [...points, ...settings];

/** The directory of the chaos variant's bundles. */
export function chaosEngine(): Promise<string> {
  return buildVariant({ name: "chaos", changes, runtime: "test/cluster/chaos/fire.ts" });
}
