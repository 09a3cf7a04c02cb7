// The bytes of every conversation between processes and threads: what `Connection.send` takes and `onMessage` gives.

export { decodeDriverMessage, decodeMasterToDriver, encodeDriverMessage, encodeMasterToDriver } from "./driver.js";
export { decodeWireError, encodeWireError } from "./errors.js";
export { decodeMasterToWorker, decodeWorkerMessage, encodeMasterToWorker, encodeWorkerMessage } from "./worker.js";
