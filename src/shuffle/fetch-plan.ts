// Which blocks of a reduce partition are read from files here and which are asked of other workers: pure, so that tests
// need no disk and no network. One request a worker, with its maps in ascending order: that is also the order in which its
// answer comes, because a reducer takes map outputs in map order whatever their arrival.

import { MillraceError } from "../core/errors.js";
import type { SessionId, ShuffleId, StageId, WorkerId } from "../core/ids.js";
import type { MapOutputLocations, WorkerAddress } from "../protocol/tasks.js";
import { mapOutputPath } from "./paths.js";

export interface FetchPlanOptions {
  readonly self: WorkerId;
  /** The reader's own machine: files of other workers on it may be read directly. */
  readonly machine: string;
  /** The option shuffle.localReads: false makes even a neighbour's blocks come through its block server. */
  readonly localReads: boolean;
  /** Whether the directory of another worker on this machine can be read from here. */
  isReadable(directory: string): boolean;
}

/** Where one map output comes from. Index in FetchPlan.maps = map partition. */
export type BlockOrigin =
  | { readonly kind: "file"; readonly path: string; readonly worker: WorkerId }
  | { readonly kind: "request"; readonly request: number; readonly worker: WorkerId };

export interface FetchRequest {
  readonly worker: WorkerAddress;
  readonly session: SessionId;
  readonly shuffle: ShuffleId;
  /** Ascending by map. */
  readonly outputs: readonly { readonly map: number; readonly stage: StageId; readonly attempt: number }[];
}

export interface FetchPlan {
  readonly session: SessionId;
  readonly shuffle: ShuffleId;
  readonly maps: readonly BlockOrigin[];
  readonly requests: readonly FetchRequest[];
}

/** The same for every reduce partition of a shuffle: plan once a version of the locations. */
export function planFetch(locations: MapOutputLocations, options: FetchPlanOptions): FetchPlan {
  const { session, shuffle } = locations;
  const addresses = new Map(locations.workers.map((address) => [address.worker, address]));
  const direct = new Map<WorkerId, boolean>();
  const requests: { worker: WorkerAddress; outputs: { map: number; stage: StageId; attempt: number }[] }[] = [];
  const requestOf = new Map<WorkerId, number>();
  const maps = locations.outputs.map(({ worker, stage, attempt }, map): BlockOrigin => {
    const address = addresses.get(worker);
    if (address === undefined) {
      throw new MillraceError("INTERNAL", `the locations of shuffle ${shuffle} have no address of worker ${worker}`);
    }
    let isDirect = direct.get(worker);
    if (isDirect === undefined) {
      isDirect = worker === options.self || canReadDirectly(address, options);
      direct.set(worker, isDirect);
    }
    if (isDirect) {
      return {
        kind: "file",
        path: mapOutputPath(address.directory, { session, shuffle, map, stage, attempt }),
        worker,
      };
    }
    let request = requestOf.get(worker);
    if (request === undefined) {
      request = requests.push({ worker: address, outputs: [] }) - 1;
      requestOf.set(worker, request);
    }
    requests[request]!.outputs.push({ map, stage, attempt });
    return { kind: "request", request, worker };
  });
  return { session, shuffle, maps, requests: requests.map((request) => ({ ...request, session, shuffle })) };
}

function canReadDirectly(address: WorkerAddress, options: FetchPlanOptions): boolean {
  return options.localReads && address.machine === options.machine && options.isReadable(address.directory);
}
