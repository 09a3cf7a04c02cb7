import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readMachineLimits } from "../../src/core/machine-limits.js";
import { formatMasterUrl, parseMasterUrl } from "../../src/core/master-url.js";
import {
  fromPortableOptions,
  nearestName,
  optionNames,
  parseOption,
  resolveOptions,
  toPortableOptions,
  variableOfOption,
} from "../../src/core/options.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";

const limits = { slots: 4, memoryBytes: 8 * 2 ** 30 };
const withCode = (code: string, text?: string) =>
  expect.objectContaining({
    code,
    ...(text === undefined ? {} : { message: expect.stringContaining(text) as string }),
  }) as Error;

describe("resolveOptions", () => {
  const root = scratchDirectory();
  writeTree(root, {
    "a/millrace.json": JSON.stringify({
      master: "local[3]",
      task: { maxFailures: 7, timeout: "1min" },
      "shuffle.compress": false,
    }),
    "bad/millrace.json": "{ master: local }",
    "bad-line/millrace.json": '{\n  "master": "local",\n  "memory": "lots",\n}',
    "level/millrace.json": '{\n  "master": "local",\n  "log": {\n    "level": "debugg"\n  }\n}\n',
    "url/millrace.json": '{\n\n  "master": "locl" }',
    "list/millrace.json": "[]",
    "typo/millrace.json": JSON.stringify({ task: { maxFailure: 1 } }),
  });

  it("has Spark's defaults, and memory by the machine", () => {
    const { values, origins } = resolveOptions({ limits });
    expect(values).toMatchObject({
      master: "local[*]",
      memory: 4 * 2 ** 30,
      "task.maxFailures": 4,
      "task.timeout": null,
      "locality.wait": 3000,
      "driver.maxResultSize": 2 ** 30,
      "shuffle.flushBytes": 32 * 2 ** 20,
    });
    expect(new Set(Object.values(origins).map((origin) => origin.kind))).toEqual(new Set(["default"]));
  });

  it("lets Session.open beat the environment, and that the file", () => {
    const { values, origins } = resolveOptions({
      limits,
      programDirectory: join(root, "a"),
      environment: { MILLRACE_TASK_MAX_FAILURES: "5", MILLRACE_MEMORY: "512", MILLRACE_SECRET: "hush", HOME: "/x" },
      given: { memory: "1g", appName: undefined },
    });
    expect(values.memory).toBe(2 ** 30);
    expect(values["task.maxFailures"]).toBe(5);
    expect(values["task.timeout"]).toBe(60_000);
    expect(values["shuffle.compress"]).toBe(false);
    expect(values.appName).toBe("millrace");
    expect(origins.memory).toEqual({ kind: "given", source: "Session.open" });
    expect(origins["task.maxFailures"]).toEqual({ kind: "environment", source: "MILLRACE_TASK_MAX_FAILURES" });
    expect(origins.master).toEqual({ kind: "file", source: `${join(root, "a", "millrace.json")}:1` });
    expect(JSON.stringify({ values, origins })).not.toContain("hush");
  });

  it("names the nearest option of an unknown one, wherever it stands", () => {
    const unknown = (sources: Parameters<typeof resolveOptions>[0], nearest: string) =>
      expect(() => resolveOptions({ limits, ...sources })).toThrow(withCode("UNKNOWN_OPTION", nearest));
    unknown({ given: { "task.maxFailure": 1 } }, "task.maxFailures");
    unknown({ given: { maxFailures: 1 } }, "task.maxFailures");
    unknown({ given: { "spark.task.maxFailures": 1 } }, "task.maxFailures");
    unknown({ given: { appname: "x" } }, "appName");
    unknown({ given: { xyzzy: 1 } }, "millrace config");
    unknown({ environment: { MILLRACE_MASTR: "local" } }, "MILLRACE_MASTER");
    unknown({ programDirectory: join(root, "typo") }, "task.maxFailures");
    expect(nearestName("toString", optionNames)).toBeUndefined();
    expect(() => resolveOptions({ limits, given: { constructor: 1 } })).toThrow(withCode("UNKNOWN_OPTION"));
  });

  it.each<[string, unknown]>([
    ["task.maxFailures", 0],
    ["task.maxFailures", "four"],
    ["task.maxFailures", 1.5],
    ["defaultParallelism", Number.NaN],
    ["memory", "lots"],
    ["memory", "1m"],
    ["locality.wait", "3"],
    ["shuffle.compress", "yes"],
    ["log.level", "loud"],
    ["appName", ""],
    ["appName", 7],
    ["driver.maxResultSize", null],
  ])("refuses %s = %j with its name", (name, value) => {
    expect(() => resolveOptions({ limits, given: { [name]: value } })).toThrow(withCode("INVALID_OPTION", name));
  });

  it("says where a bad value stands", () => {
    expect(() => resolveOptions({ limits, environment: { MILLRACE_LOCALITY_WAIT: "x" } })).toThrow(
      withCode("INVALID_OPTION", "MILLRACE_LOCALITY_WAIT"),
    );
    expect(() => resolveOptions({ limits, programDirectory: join(root, "bad") })).toThrow(
      withCode("INVALID_OPTION", "millrace.json"),
    );
    const inFile = (name: string, code: string, text: string) =>
      expect(() => resolveOptions({ limits, programDirectory: join(root, name) })).toThrow(withCode(code, text));
    inFile("bad-line", "INVALID_OPTION", "millrace.json:4:1 is not JSON");
    inFile("level", "INVALID_OPTION", "millrace.json:4");
    inFile("level", "INVALID_OPTION", "did you mean debug?");
    inFile("typo", "UNKNOWN_OPTION", "millrace.json:1 has");
    inFile("url", "INVALID_MASTER_URL", "millrace.json:3");
    expect(() => resolveOptions({ limits, programDirectory: join(root, "list") })).toThrow(
      withCode("INVALID_OPTION", "object"),
    );
    expect(() => resolveOptions({ limits, given: { master: "locl" } })).toThrow(withCode("INVALID_MASTER_URL"));
    expect(() => parseOption("task.maxFailures", "-1", "--conf")).toThrow(withCode("INVALID_OPTION", "--conf"));
    expect(parseOption("memory", "512", "--conf")).toBe(512 * 2 ** 20);
  });

  it("spells every option as a variable and back, and travels without what is the driver's own", () => {
    expect(variableOfOption("driver.maxResultSize")).toBe("MILLRACE_DRIVER_MAX_RESULT_SIZE");
    expect(new Set(optionNames.map(variableOfOption)).size).toBe(optionNames.length);
    const { values } = resolveOptions({ limits, given: { secretFile: "/s", "task.timeout": "5s" } });
    const portable = toPortableOptions(values);
    expect(portable.secretFile).toBeUndefined();
    expect(fromPortableOptions(portable, limits)).toEqual({ ...values, secretFile: null });
  });
});

describe("parseMasterUrl", () => {
  it.each([
    ["local", { kind: "local" }],
    ["local[4]", { kind: "slots", slots: 4 }],
    ["local[*]", { kind: "slots", slots: "all" }],
    ["local-cluster[2,1,1g]", { kind: "cluster", coreWorkers: 2, taskWorkers: 0, slots: 1, memoryBytes: 2 ** 30 }],
    ["local-cluster[2, 1, 1024]", { kind: "cluster", coreWorkers: 2, taskWorkers: 0, slots: 1, memoryBytes: 2 ** 30 }],
    ["local-cluster[2+1,1,512m]", { kind: "cluster", coreWorkers: 2, taskWorkers: 1, slots: 1, memoryBytes: 2 ** 29 }],
    ["millrace://10.0.0.5:7077", { kind: "remote", host: "10.0.0.5", port: 7077 }],
    ["millrace://[::1]:7077", { kind: "remote", host: "::1", port: 7077 }],
  ])("%s", (url, parsed) => {
    expect(parseMasterUrl(url)).toEqual(parsed);
    expect(parseMasterUrl(formatMasterUrl(parseMasterUrl(url)))).toEqual(parsed);
  });

  it.each([
    "",
    "locl",
    "local[]",
    "local[0]",
    "local[-1]",
    "local[2",
    "local[1.5]",
    "local[9999]",
    "local-cluster",
    "local-cluster[2,1]",
    "local-cluster[2,1,]",
    "local-cluster[0,1,1g]",
    "local-cluster[1,1,10m]",
    "local-cluster[1+1+1,1,1g]",
    "millrace://",
    "millrace://host",
    "millrace://host:0",
    "millrace://host:70000",
    "millrace://user@host:1",
    "spark://host:7077",
    undefined,
    5,
  ])("refuses %j and shows the forms", (url) => {
    expect(() => parseMasterUrl(url)).toThrow(withCode("INVALID_MASTER_URL", "local-cluster[workers,slots,memory]"));
  });
});

describe("readMachineLimits", () => {
  const files = (texts: Record<string, string>) => (path: string) => texts[path] ?? null;
  const gib = 2 ** 30;

  it("is the machine without cgroups", () => {
    expect(readMachineLimits(files({}), 8, 16 * gib)).toEqual({ slots: 8, memoryBytes: 16 * gib });
  });

  it("takes the smallest limit of version 2 up to the root", () => {
    const read = files({
      "/proc/self/cgroup": "0::/app/web\n",
      "/sys/fs/cgroup/app/web/cpu.max": "max 100000\n",
      "/sys/fs/cgroup/app/cpu.max": "150000 100000\n",
      "/sys/fs/cgroup/app/web/memory.max": "max\n",
      "/sys/fs/cgroup/app/memory.max": String(2 * gib),
    });
    expect(readMachineLimits(read, 8, 16 * gib)).toEqual({ slots: 2, memoryBytes: 2 * gib });
  });

  it("finds the container's own root when the path is the host's", () => {
    const read = files({
      "/proc/self/cgroup": "0::/docker/abc\n",
      "/sys/fs/cgroup/cpu.max": "50000 100000",
      "/sys/fs/cgroup/memory.max": String(gib),
    });
    expect(readMachineLimits(read, 8, 16 * gib)).toEqual({ slots: 1, memoryBytes: gib });
  });

  it("reads version 1", () => {
    const read = files({
      "/proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/x\n",
      "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "300000",
      "/sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
      "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": String(3 * gib),
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
    });
    expect(readMachineLimits(read, 8, 16 * gib)).toEqual({ slots: 3, memoryBytes: 3 * gib });
  });
});
