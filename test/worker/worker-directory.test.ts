import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { workerId } from "../../src/core/ids.js";
import { sweepDeadOwners, WorkerDirectory } from "../../src/worker/worker-directory.js";

const root = mkdtempSync(join(tmpdir(), "millrace-dirs-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("worker directory", () => {
  it("of a named worker that died lately waits for it, and goes when it does not come back", () => {
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    const path = join(root, "millrace-named");
    mkdirSync(path);
    const owner = join(path, "owner.json");
    writeFileSync(owner, JSON.stringify({ pid: dead, started: "1", returns: true }));
    expect(sweepDeadOwners(root)).toEqual([]);
    const long = new Date(Date.now() - 3_600_000);
    utimesSync(owner, long, long);
    expect(sweepDeadOwners(root, WorkerDirectory.of(root, workerId("named")))).toEqual([]);
    expect(sweepDeadOwners(root)).toEqual([path]);
  });

  it("is swept when its owner is dead, and left alone while the owner lives", () => {
    const mine = WorkerDirectory.of(root, workerId("living"));
    mine.claim();
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    const other = join(root, "millrace-dead");
    mkdirSync(other);
    writeFileSync(join(other, "owner.json"), JSON.stringify({ pid: dead, started: "1" }));
    expect(sweepDeadOwners(root)).toEqual([other]);
    expect(existsSync(mine.path)).toBe(true);
    mine.remove();
    expect(existsSync(mine.path)).toBe(false);
  });

  it("is swept when its pid was given to another process since", () => {
    const other = join(root, "millrace-recycled");
    mkdirSync(other);
    writeFileSync(join(other, "owner.json"), JSON.stringify({ pid: process.pid, started: "1" }));
    expect(sweepDeadOwners(root)).toEqual([other]);
  });

  it("names the directory when it cannot be made", () => {
    writeFileSync(join(root, "file"), "");
    expect(() => WorkerDirectory.of(join(root, "file"), workerId("w")).claim()).toThrow(/cannot be used.*--local-dir/);
  });
});
