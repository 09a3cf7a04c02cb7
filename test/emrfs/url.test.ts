import { describe, expect, it } from "vitest";
import { baseName, displayUrl, joinUrl, schemeOf, toAbsoluteUrl, toLocalPath } from "../../src/emrfs/url.js";

describe("toAbsoluteUrl", () => {
  it.each([
    ["logs/a.txt", "file:///home/me/logs/a.txt"],
    ["/data/a b.txt", "file:///data/a%20b.txt"],
    ["/data/100%.txt", "file:///data/100%25.txt"],
    ["/data/a#1?.txt", "file:///data/a%231%3F.txt"],
    ["/data/*.txt", "file:///data/*.txt"],
    ["../x/", "file:///home/x"],
    ["log:1.txt", "file:///home/me/log:1.txt"],
    ["file:/data/a", "file:///data/a"],
    ["file:///data/a%20b", "file:///data/a%20b"],
    ["file:///data/a b", "file:///data/a%20b"],
    ["file:///data/part-?.txt", "file:///data/part-%3F.txt"],
    ["FILE:///data/x", "file:///data/x"],
    ["s3://bucket/a b/#1", "s3://bucket/a b/#1"],
    ["s3://bucket/dir/", "s3://bucket/dir"],
    ["s3://bucket/", "s3://bucket/"],
  ])("reads %j as %s", (path, url) => {
    expect(toAbsoluteUrl(path, "/home/me")).toBe(url);
  });

  it("keeps every name of a disk through URL and back", () => {
    for (const name of ["ä ö.txt", "日本", "a%20b", "x#y?z", "a\\b", "{a,b}[c]", "a&b;c=d", "tab\there", "emoji 😀"]) {
      const url = toAbsoluteUrl(`/d/${name}`, "/");
      expect(toLocalPath(url)).toBe(`/d/${name}`);
      expect(displayUrl(url)).toBe(`/d/${name}`);
      expect(joinUrl("file:///d", name)).toBe(url);
      expect(baseName(url)).toBe(name);
    }
  });

  it("takes ~ as a name: shells expand it", () => {
    expect(toLocalPath(toAbsoluteUrl("~/x", "/home/me"))).toBe("/home/me/~/x");
  });

  it("refuses an empty path, NUL and a broken percent sign", () => {
    for (const path of ["", "a\0b", "file:///100%"]) {
      expect(() => toAbsoluteUrl(path, "/")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
  });

  it("tells plain paths from URLs", () => {
    expect(schemeOf("C:\\x")).toBeUndefined();
    expect(schemeOf("a/b:/c")).toBeUndefined();
    expect(schemeOf("hdfs://host/x")).toBe("hdfs");
  });
});
