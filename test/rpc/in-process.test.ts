// Connections over MessagePorts: the same promises as on the wire.

import { expect, test } from "vitest";
import { connectionPair } from "../../src/rpc/index.js";

test("messages pass in order, as copies, also those sent before anybody listens and just before the end", async () => {
  const [near, far] = connectionPair();
  const reused = Buffer.from("1");
  near.send(reused);
  reused[0] = 0;
  near.send(Buffer.from("2"));
  const received: string[] = [];
  const ended = new Promise<Error | null>((resolve) => far.onClose(resolve));
  const answered = new Promise<void>((resolve) => near.onMessage(() => resolve()));
  await new Promise<void>((resolve) => setImmediate(resolve));
  far.onMessage((bytes) => received.push(Buffer.from(bytes).toString()));
  far.send(new Uint8Array(0));
  await answered;
  near.send(Buffer.from("3"));
  near.close();
  expect(await ended).toBeNull();
  expect(received).toEqual(["1", "2", "3"]);
  far.send(Buffer.from("to nobody"));
});

test("both ends learn of a close, whenever they ask", async () => {
  const [near, far] = connectionPair();
  near.close();
  for (const connection of [near, far, far]) {
    expect(await new Promise((resolve) => connection.onClose(resolve))).toBeNull();
  }
});
