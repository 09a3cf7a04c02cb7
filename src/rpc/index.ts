// What wiring uses of rpc: encoded messages, connections in a process and over gRPC, access.

export type { ClientIdentity } from "./access/handshake.js";
export { checkListen, formatAddress } from "./access/listen-policy.js";
export type { Principal, Role } from "./access/roles.js";
export { loadSecret, Secret, type SecretSource } from "./access/secret.js";
export * from "./codecs/index.js";
export type { Connection } from "./connection.js";
export { BlockClient } from "./grpc/block-client.js";
export { type CallOptions, type DialOptions, dial, type RpcChannel } from "./grpc/channel.js";
export { type RpcServer, type ServeOptions, type Services, serve } from "./grpc/server.js";
export { connectionPair } from "./in-process.js";
