// What a user sees of code that runs in tasks: a debugger's breakpoint in their own file stops inside a task on master `local`,
// and an error comes back with their own stack, in their own lines, and with the operator, the partition and the attempt.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { scratchDirectory, writeTree } from "../support/scratch.js";
import { cli, linkMillrace, root, runNode, toJavaScript } from "./project.js";

const TIMEOUT_MS = 60_000;
const folder = scratchDirectory();
const at = (name: string) => join(folder, name);
const tsx = ["--import", join(root, "node_modules/tsx/dist/loader.mjs")];

const failing = `import { Session } from "millrace";
import { refuse } from "./refuse.js";

interface Limits { readonly most: number }
const limits: Limits = { most: 2 };

const session = await Session.open({ "task.maxFailures": 2 });
try {
  await session
    .range(0, 8, 1, 4)
    .map((n) => n * 2)
    .filter((n) => refuse(n, limits.most))
    .collect();
} catch (error) {
  const { code, message, fields, cause } = error as Error & { code: string; fields: object };
  console.log(JSON.stringify({ code, message, fields, stack: (cause as Error).stack }));
}
await session.stop();
`;
const refuse = `class TooLarge extends Error {
  override name = "TooLarge";
}

export function refuse(n: number, most: number): boolean {
  if (n > most && n < 7) throw new TooLarge(\`\${n} is more than \${most}\`);
  return true;
}
`;
const stopping = `import { Session } from "millrace";

type Letter = string;
const suffix: Letter = "!";

const session = await Session.open({ master: "local" });
const shouted = session.parallelize(["a"], 1).map((letter: Letter) => {
  const loud = letter.toUpperCase();
  return loud + suffix;
});
console.log(JSON.stringify(await shouted.collect()));
await session.stop();
`;
/** From 1; where \`loud + suffix\` stands. */
const STOP_LINE = 9;

beforeAll(() => {
  linkMillrace(folder);
  writeTree(folder, {
    "package.json": '{ "type": "module" }',
    "failing.ts": failing,
    "refuse.ts": refuse,
    "stopping.ts": stopping,
    "plain.js": toJavaScript(stopping, "esm").replace(/\/\/# sourceMappingURL.*\n?/, ""),
  });
});
test.each([
  ["millrace run", [cli, "run", "failing.ts"]],
  ["tsx", [...tsx, "failing.ts"]],
])(
  "under %s an error in a task shows the user's lines, the operator, the partition and the attempt",
  async (_name, command) => {
    for (const master of ["local", "local-cluster[2,1,512m]"]) {
      const { stdout, stderr } = await runNode(command, { cwd: folder, env: { MILLRACE_MASTER: master } });
      expect(stderr).toBe("");
      const { code, message, fields, stack } = JSON.parse(stdout);
      expect(code).toBe("JOB_FAILED");
      expect(message).toContain("4 is more than 2");
      expect(message).toMatch(/filter at failing\.ts:12:6/);
      expect(fields).toMatchObject({ partition: 1, attempt: 1 });
      const frames = stack.split("\n") as string[];
      expect(frames[0]).toMatch(/(?:TooLarge|Error): 4 is more than 2$/);
      expect(frames[1]).toMatch(/refuse\.ts:6:\d+\)?$/);
      expect(frames[2]).toMatch(/failing\.ts:12:\d+\)?$/);
      expect(frames).toHaveLength(3);
    }
  },
  TIMEOUT_MS,
);

/**
 * Preloaded by the program: a thread that debugs the program's own thread. It sets a breakpoint by URL and line, where the
 * line is that of the source if the script has a map, and says on stderr where the program stopped and what it saw there.
 */
const attached = `import { writeSync } from "node:fs";
import { Session } from "node:inspector";
import { createRequire } from "node:module";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
if (isMainThread) {
  const { STOP_URL: url, STOP_LINE: line, STOP_ROOT: root } = process.env;
  const worker = new Worker(new URL(import.meta.url), { execArgv: [], workerData: { url, line: Number(line), root } });
  await new Promise((resolve) => worker.once("message", resolve));
  worker.unref();
} else {
  const { generatedPositionFor, TraceMap } = createRequire(workerData.root)("@jridgewell/trace-mapping");
  // Alone the session does not keep its thread.
  setInterval(() => undefined, 60_000);
  const session = new Session();
  session.connectToMainThread();
  const ask = (method, params) =>
    new Promise((resolve, reject) => session.post(method, params, (error, result) => (error ? reject(error) : resolve(result))));
  const compiled = ({ sourceMapURL }) => {
    if (!sourceMapURL) return { lineNumber: workerData.line - 1 };
    const map = new TraceMap(Buffer.from(sourceMapURL.slice(sourceMapURL.indexOf(",") + 1), "base64").toString());
    const { line, column } = generatedPositionFor(map, { source: map.sources[0], line: workerData.line, column: 2 });
    return { lineNumber: line - 1, columnNumber: column };
  };
  let isSet = false;
  session.on("Debugger.scriptParsed", ({ params }) => {
    if (params.url !== workerData.url || isSet) return;
    isSet = true;
    void ask("Debugger.setBreakpointByUrl", { url: params.url, ...compiled(params) });
  });
  session.on("Debugger.paused", async ({ params: { callFrames: [top], hitBreakpoints } }) => {
    if (hitBreakpoints.length > 0) {
      const expression = "loud + suffix";
      const { result } = await ask("Debugger.evaluateOnCallFrame", { callFrameId: top.callFrameId, expression });
      writeSync(2, "stopped: " + result.value + "\\n");
    }
    await ask("Debugger.resume");
  });
  await ask("Debugger.enable");
  parentPort.postMessage("ready");
}
`;

test.each([
  ["millrace run", [cli, "run", "stopping.ts"], "stopping.ts"],
  ["tsx", [...tsx, "stopping.ts"], "stopping.ts"],
  ["node", ["plain.js"], "plain.js"],
])(
  "under %s a breakpoint in the user's file stops inside the task",
  async (_name, command, file) => {
    writeTree(folder, { "attached.mjs": attached });
    const line = file.endsWith(".ts") ? STOP_LINE : plainLine();
    const ended = await runNode(["--import", pathToFileURL(at("attached.mjs")).href, ...command], {
      cwd: folder,
      env: { STOP_URL: pathToFileURL(at(file)).href, STOP_LINE: String(line), STOP_ROOT: join(root, "package.json") },
    });
    expect(ended).toEqual({ code: 0, stdout: '["A!"]\n', stderr: "stopped: A!\n" });
  },
  TIMEOUT_MS,
);

/** From 1. */
function plainLine(): number {
  const lines = toJavaScript(stopping, "esm").split("\n");
  return lines.findIndex((line) => line.includes("return loud")) + 1;
}
