// Over real gRPC: a worker registers under the name that its handshake proved, and under no other.

import { afterAll, beforeAll, expect, it } from "vitest";
import { workerId } from "../../src/core/ids.js";
import { version } from "../../src/core/version.js";
import { defaultMasterOptions } from "../../src/master/options.js";
import { serveMaster } from "../../src/master/server.js";
import { MasterShell } from "../../src/master/shell.js";
import type { MasterToWorker } from "../../src/protocol/worker.js";
import { Secret } from "../../src/rpc/access/secret.js";
import { decodeMasterToWorker, encodeWorkerMessage } from "../../src/rpc/codecs/index.js";
import { dial, type RpcServer } from "../../src/rpc/index.js";

const secret = Secret.generate();
let shell: MasterShell;
let server: RpcServer;

beforeAll(async () => {
  shell = new MasterShell({
    machine: defaultMasterOptions,
    url: "millrace://test",
    eventLogDir: null,
    openBlock: () => {
      throw new Error("no block is asked for here");
    },
    driverTimeoutMs: 60_000,
    log: () => undefined,
  });
  server = await serveMaster(shell, { host: "127.0.0.1", port: 0, secret, version });
});

afterAll(async () => {
  await shell.close();
  await server.close();
});

async function firstAnswer(proved: string, registered: string): Promise<MasterToWorker> {
  const channel = await dial({ role: "worker", id: proved, secret, version, address: server.address });
  const connection = channel.open("workers");
  const worker = workerId(registered);
  connection.send(
    encodeWorkerMessage({
      kind: "register",
      registration: {
        worker,
        incarnation: 1,
        version,
        role: "core",
        node: "n",
        slots: 1,
        memoryBytes: 1,
        pid: 1,
        address: { worker, machine: "m", blocks: "127.0.0.1:1", directory: "/nowhere" },
      },
    }),
  );
  const answer = await new Promise<MasterToWorker>((resolve, reject) => {
    connection.onMessage((bytes) => resolve(decodeMasterToWorker(bytes)));
    connection.onClose((error) => reject(error ?? new Error("closed without an answer")));
  });
  channel.close();
  return answer;
}

it("takes a worker under the name that it has proved", async () => {
  expect(await firstAnswer("w1", "w1")).toMatchObject({ kind: "registered" });
});

it("refuses a worker that registers as another", async () => {
  expect(await firstAnswer("w1", "w2")).toMatchObject({ kind: "refused", error: { code: "PERMISSION_REFUSED" } });
});
