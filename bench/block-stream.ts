// Throughput of a block stream between two processes through a line of 2 ms round trip, with and without the large window.
// Run: npx tsx bench/block-stream.ts [megabytes]. Server and proxy have a process each, as they would have on a cluster.

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { dial, Secret, serve } from "../src/rpc/index.js";
import { startSlowProxy } from "../test/support/slow-proxy.js";

const secret = new Secret("block-stream-bench-secret");
const version = "bench";
const CHUNK_BYTES = Number(process.env.CHUNK_KIB ?? 256) * 1024;

async function main(role: string | undefined): Promise<void> {
  if (role === "server") {
    const chunk = new Uint8Array(CHUNK_BYTES).fill(7);
    const blocks = function* (request: unknown) {
      for (let i = 0; i < (request as { chunks: number }).chunks; i++) yield chunk;
    };
    const server = await serve({ host: "127.0.0.1", port: 0, secret, version, services: { blocks } });
    process.send?.(server.address);
  } else if (role === "proxy") {
    const proxy = await startSlowProxy(process.argv[3] as string, 1);
    process.send?.(proxy.address);
  } else {
    await measure(Number(role ?? 512));
  }
}

async function measure(megabytes: number): Promise<void> {
  const here = fileURLToPath(import.meta.url);
  const server = fork(here, ["server"]);
  const [direct] = (await once(server, "message")) as [string];
  const proxy = fork(here, ["proxy", direct]);
  const [slow] = (await once(proxy, "message")) as [string];
  try {
    const baseline = await rate(slow, "control", Math.min(64, megabytes));
    const window = await rate(slow, "blocks", megabytes);
    const near = await rate(direct, "blocks", megabytes);
    console.log(`2 ms round trip, HTTP/2's own window  ${baseline.toFixed(0)} MB/s`);
    console.log(
      `2 ms round trip, 8 MiB window         ${window.toFixed(0)} MB/s (x ${(window / baseline).toFixed(1)})`,
    );
    console.log(`no proxy, 8 MiB window                ${near.toFixed(0)} MB/s`);
  } finally {
    proxy.kill();
    server.kill();
  }
}

async function rate(address: string, purpose: "control" | "blocks", megabytes: number): Promise<number> {
  const channel = await dial({ address, role: "worker", id: "bench", secret, version, purpose });
  const chunks = Math.ceil((megabytes * 1024 * 1024) / CHUNK_BYTES);
  await channel.fetch({ chunks: 32 }, () => undefined);
  let bytes = 0;
  const started = performance.now();
  await channel.fetch({ chunks }, (chunk) => {
    bytes += chunk.byteLength;
  });
  const seconds = (performance.now() - started) / 1000;
  channel.close();
  return bytes / 1e6 / seconds;
}

await main(process.argv[2]);
