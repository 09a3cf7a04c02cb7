import { appendFileSync, chmodSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { jobId, sessionId, stageId, type TaskKey } from "../../src/core/ids.js";
import { LocalFileSystem } from "../../src/emrfs/local-file-system.js";
import { abortOutput, commitOutput, openPartFile, prepareOutput } from "../../src/emrfs/output-committer.js";
import { toStorageError } from "../../src/emrfs/storage-error.js";
import { SyncFileReader } from "../../src/emrfs/sync-file.js";
import { pathToUrl, toLocalPath } from "../../src/emrfs/url.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";

const root = scratchDirectory();
const files = new LocalFileSystem();
const url = (name: string) => pathToUrl(join(root, name));
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe("LocalFileSystem", () => {
  it("reads ranges, fewer bytes at the end", async () => {
    writeTree(root, { "r.txt": "0123456789" });
    const reader = await files.open(url("r.txt"));
    expect(reader.status).toMatchObject({ kind: "file", sizeBytes: 10 });
    expect(text(await reader.read(2, 3))).toBe("234");
    expect(text(await reader.read(8, 100))).toBe("89");
    await reader.close();
  });

  it("shows a file only at commit, and leaves nothing after abort", async () => {
    const writer = await files.create(url("out/x.bin"));
    await writer.write(Buffer.from("abc"));
    expect(await files.stat(url("out/x.bin"))).toBeNull();
    await writer.commit();
    expect(readFileSync(join(root, "out/x.bin"), "utf8")).toBe("abc");
    await expect(files.create(url("out/x.bin"))).rejects.toMatchObject({ code: "OUTPUT_EXISTS" });
    const second = await files.create(url("out/x.bin"), { overwrite: true });
    await second.write(Buffer.from("no"));
    await second.abort();
    await second.abort();
    expect(readdirSync(join(root, "out"))).toEqual(["x.bin"]);
  });

  it("lists by name, deletes and renames", async () => {
    writeTree(root, { "l/b": "1", "l/a": "22", "l/c/d": "" });
    const found: string[] = [];
    for await (const status of files.list(url("l"))) found.push(`${status.kind} ${status.sizeBytes}`);
    expect(found).toEqual(["file 2", "file 1", "directory 0"]);
    await files.rename(url("l/a"), url("l/z"));
    expect(await files.delete(url("l/c"))).toBe(true);
    expect(await files.delete(url("l/c"))).toBe(false);
    expect(readdirSync(join(root, "l"))).toEqual(["b", "z"]);
    expect(await files.makeDirectory(url("l/new"))).toBe(true);
    expect(await files.makeDirectory(url("l/new"))).toBe(false);
  });

  it("gives the system's errors codes of ours", async () => {
    writeTree(root, { "e/file": "x" });
    await expect(files.open(url("e/none"))).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(files.open(url("e"))).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
    await expect(files.create(url("e"))).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
    await expect(files.makeDirectory(url("e/file"))).rejects.toMatchObject({ code: "NOT_A_DIRECTORY" });
    await expect(files.makeDirectory(url("e/file/x"))).rejects.toMatchObject({ code: "NOT_A_DIRECTORY" });
    await expect(files.list(url("e/file")).next()).rejects.toMatchObject({ code: "NOT_A_DIRECTORY" });
    for (const [errno, code] of [
      ["ENOSPC", "DISK_FULL"],
      ["EROFS", "READ_ONLY_FILE_SYSTEM"],
      ["EACCES", "PERMISSION_DENIED"],
      ["EIO", "IO_ERROR"],
    ] as const) {
      const error = toStorageError(Object.assign(new Error("boom"), { code: errno }), "write", "/x");
      expect(error.code).toBe(code);
      expect(error.message).toContain("cannot write /x");
    }
  });

  it.skipIf(process.getuid?.() === 0)("names a path that may not be read", async () => {
    writeTree(root, { secret: "x" });
    chmodSync(join(root, "secret"), 0);
    await expect(files.open(url("secret"))).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });
});

describe("SyncFileReader", () => {
  it("refuses another version of the file", () => {
    writeTree(root, { "v.txt": "12345" });
    const path = join(root, "v.txt");
    const { size, mtimeMs } = statSync(path);
    const pinned = { url: pathToUrl(path), fileSize: size, modifiedMs: Math.floor(mtimeMs) };
    const reader = new SyncFileReader(pinned);
    const bytes = new Uint8Array(8);
    expect(reader.read(bytes, 1, 7, 3)).toBe(2);
    expect(text(bytes.subarray(1, 3))).toBe("45");
    appendFileSync(path, "6");
    expect(() => reader.checkUnchanged()).toThrow(expect.objectContaining({ code: "FILE_CHANGED" }));
    reader.close();
    expect(() => new SyncFileReader(pinned)).toThrow(expect.objectContaining({ code: "FILE_CHANGED" }));
    expect(() => new SyncFileReader({ ...pinned, modifiedMs: 1, fileSize: 6 })).toThrow(/changed while a job read it/);
  });
});

describe("output committer", () => {
  const session = sessionId("s1");
  const key = (partition: number, attempt: number): TaskKey => ({
    session,
    job: jobId(3),
    stage: stageId(2),
    partition,
    attempt,
  });
  const outputOf = (name: string) => ({ url: url(name), session, job: jobId(3) });

  it("shows the picked attempts and _SUCCESS, and nothing else", async () => {
    const output = outputOf("saved/deep");
    await prepareOutput(files, output);
    const first = openPartFile(output.url, key(0, 0), "none");
    first.write(Buffer.from("half"));
    const again = openPartFile(output.url, key(0, 1), "none");
    again.write(Buffer.from("a\n"));
    const other = openPartFile(output.url, key(1, 0), "gzip");
    other.write(Buffer.from("b\n"));
    const picked = [again.finish(), other.finish()];
    expect(picked[0]!.sizeBytes).toBe(2);
    expect(toLocalPath(picked[0]!.pending)).toContain("_temporary/s1-3/2-0-1/part-00000");
    first.abort();
    await commitOutput(files, output, picked);
    const directory = join(root, "saved/deep");
    expect(readdirSync(directory)).toEqual(["_SUCCESS", "part-00000", "part-00001.gz"]);
    expect(readFileSync(join(directory, "part-00000"), "utf8")).toBe("a\n");
    expect(gunzipSync(readFileSync(join(directory, "part-00001.gz"))).toString()).toBe("b\n");
  });

  it("writes long gzip files as several members, and an empty one that is valid", async () => {
    const output = outputOf("zipped");
    await prepareOutput(files, output);
    const part = openPartFile(output.url, key(0, 0), "gzip");
    const line = Buffer.from(`${"x".repeat(700_000)}\n`);
    for (let i = 0; i < 4; i++) part.write(line);
    const empty = openPartFile(output.url, key(1, 0), "gzip");
    const [a, b] = [part.finish(), empty.finish()];
    expect(gunzipSync(readFileSync(toLocalPath(a.pending))).byteLength).toBe(4 * 700_001);
    expect(gunzipSync(readFileSync(toLocalPath(b.pending))).byteLength).toBe(0);
    await abortOutput(files, output);
  });

  it("refuses an output that exists, and removes all of an aborted one", async () => {
    const output = outputOf("gone");
    await prepareOutput(files, output);
    await expect(prepareOutput(files, output)).rejects.toMatchObject({ code: "OUTPUT_EXISTS" });
    openPartFile(output.url, key(0, 0), "none").finish();
    await abortOutput(files, output);
    expect(existsSync(join(root, "gone"))).toBe(false);
    // An attempt that comes late does not bring the directory back.
    expect(() => openPartFile(output.url, key(0, 1), "none")).toThrow(
      expect.objectContaining({ code: "OUTPUT_NOT_SHARED" }),
    );
    expect(existsSync(join(root, "gone"))).toBe(false);
  });

  it("moves nothing that is not pending in this output", async () => {
    const output = outputOf("strict");
    await prepareOutput(files, output);
    writeTree(root, { "elsewhere.txt": "x" });
    const picked = [{ pending: url("elsewhere.txt"), final: url("strict/part-00000") }];
    await expect(commitOutput(files, output, picked)).rejects.toMatchObject({ code: "INTERNAL" });
    await abortOutput(files, output);
  });
});
