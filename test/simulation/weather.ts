// The faults that come from outside, at times of their own: links that let nothing through, streams that break, processes that
// crash, stop or leave, drivers that die. (What happens to single attempts is drawn when they run: fates.ts.)

import type { SimulatedDriver } from "./cluster/driver.js";
import type { SimulatedWorker } from "./cluster/worker.js";
import type { FaultBudget } from "./faults.js";
import type { VirtualClock } from "./world/clock.js";
import type { Network } from "./world/network.js";
import type { SimulatedNode } from "./world/node.js";
import type { Random } from "./world/random.js";
import type { SimulatedStream } from "./world/stream.js";

export interface WeatherParts {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly faults: FaultBudget;
  readonly network: Network;
  readonly master: SimulatedNode;
  readonly workers: readonly SimulatedWorker[];
  readonly drivers: readonly SimulatedDriver[];
  letGoByMaster(worker: SimulatedWorker, timeoutMs: number): void;
  /** The present stream of a node to the master. */
  streamOf(node: SimulatedNode): SimulatedStream | undefined;
}

/** Most jobs are over by then; later ones meet what is drawn later. */
const FIRST_MS = 900;
/** Enough for whatever a worker runs and holds. */
const UNHURRIED_MS = 30_000;

export function startWeather(parts: WeatherParts): void {
  const { random, clock } = parts;
  const count = random.below(5);
  for (let i = 0; i < count; i++) {
    const atMs = random.chance(0.8) ? random.below(FIRST_MS) : random.below(60_000);
    clock.after(atMs, () => strike(parts));
  }
}

/** Nothing but workers that are let go, with time enough; one stays. Answers how many. */
export function startCalm({ random, clock, workers, letGoByMaster }: WeatherParts): number {
  const going = workers.slice(1).filter(() => random.chance(0.6));
  for (const worker of going) {
    clock.after(random.below(FIRST_MS), () => {
      if (random.chance(0.5)) worker.letGo(UNHURRIED_MS);
      else letGoByMaster(worker, UNHURRIED_MS);
    });
  }
  return going.length;
}

function strike(parts: WeatherParts): void {
  const { random, faults } = parts;
  const worker = random.pick(parts.workers);
  const { name } = worker.node;
  switch (random.below(13)) {
    case 0:
      if (worker.node.alive && faults.charged(0.6, `crash of ${name}`))
        worker.crash(random.chance(0.2), random.chance(0.5));
      return;
    case 1:
      if (faults.free(0.6, `break of ${name}`)) parts.streamOf(worker.node)?.break(true);
      return;
    case 2:
      if (faults.charged(0.6, `half-open stream of ${name}`)) parts.streamOf(worker.node)?.break(false);
      return;
    case 3:
      blockMaster(parts, worker);
      return;
    case 4:
    case 5:
      blockWorkers(parts, worker, random.pick(parts.workers));
      return;
    case 6:
      stop(parts, worker.node);
      return;
    case 7: {
      const ms = 200 + random.below(20_000);
      if (faults.free(0.6, `the master stops for ${ms} ms`)) parts.master.stop(ms);
      return;
    }
    case 8:
      if (worker.node.alive && faults.free(0.5, `${name} leaves`)) worker.leave();
      return;
    case 9:
      slowLink(parts, worker);
      return;
    case 10:
    case 11:
      letGo(parts, worker);
      return;
    default:
      troubleDriver(parts, random.pick(parts.drivers));
  }
}

/** By its own signal or by an administrator's word. */
function letGo({ random, faults, letGoByMaster }: WeatherParts, worker: SimulatedWorker): void {
  const timeoutMs = random.chance(0.2) ? random.below(200) : UNHURRIED_MS;
  if (!worker.node.alive || !faults.free(0.7, `${worker.node.name} is let go within ${timeoutMs} ms`)) return;
  if (random.chance(0.5)) worker.letGo(timeoutMs);
  else letGoByMaster(worker, timeoutMs);
}

/** Long ones end in a lost worker, whose tasks are charged. */
function blockMaster(parts: WeatherParts, worker: SimulatedWorker): void {
  const { random, faults } = parts;
  const long = random.chance(0.25);
  const ms = long ? 31_000 + random.below(20_000) : 50 + random.below(9_000);
  const name = `partition of ${worker.node.name} and the master for ${ms} ms`;
  if (!(long ? faults.charged(0.6, name) : faults.free(0.6, name))) return;
  blockEitherWay(parts, worker.node, parts.master, ms);
}

/** Fetches over it come late, or fail; each that fails is charged, and when nothing is left to charge the link is mended. */
function blockWorkers(parts: WeatherParts, one: SimulatedWorker, other: SimulatedWorker): void {
  const { random, faults } = parts;
  if (one === other) return;
  const ms = random.chance(0.3) ? 31_000 + random.below(60_000) : 50 + random.below(5_000);
  const name = `partition of ${one.node.name} and ${other.node.name} for ${ms} ms`;
  if (ms > 30_000 ? faults.charged(0.6, name) : faults.free(0.6, name)) blockEitherWay(parts, one.node, other.node, ms);
}

function blockEitherWay(
  { random, network, clock }: WeatherParts,
  one: SimulatedNode,
  other: SimulatedNode,
  ms: number,
) {
  const until = clock.now + ms;
  const ways = random.below(3);
  if (ways !== 1) network.block(one, other, until);
  if (ways !== 2) network.block(other, one, until);
}

function stop({ random, faults }: WeatherParts, node: SimulatedNode): void {
  const long = random.chance(0.2);
  const ms = long ? 31_000 + random.below(10_000) : 100 + random.below(9_000);
  const name = `${node.name} stops for ${ms} ms`;
  if (node.alive && (long ? faults.charged(0.6, name) : faults.free(0.6, name))) node.stop(ms);
}

function slowLink({ random, faults, network, workers, master }: WeatherParts, worker: SimulatedWorker): void {
  const other = random.chance(0.3) ? master : random.pick(workers).node;
  if (other === worker.node || !faults.free(0.6, `slow link of ${worker.node.name} and ${other.name}`)) return;
  const jitterMs = 50 + random.below(500);
  network.slow(worker.node, other, jitterMs);
  network.slow(other, worker.node, jitterMs);
}

function troubleDriver({ random, faults, streamOf, clock, network, master }: WeatherParts, driver: SimulatedDriver) {
  const { name } = driver.node;
  switch (random.below(4)) {
    case 0:
      if (faults.free(0.4, `${name} dies`)) {
        driver.die();
        network.ended(driver.node, random.chance(0.5));
      }
      return;
    case 1:
      if (faults.free(0.4, `break of ${name}`)) streamOf(driver.node)?.break(random.chance(0.5));
      return;
    case 2: {
      const ms = 100 + random.below(20_000);
      if (faults.free(0.5, `${name} stops for ${ms} ms`)) driver.node.stop(ms);
      return;
    }
    default: {
      const ms = 100 + random.below(20_000);
      if (faults.free(0.5, `partition of ${name} and the master for ${ms} ms`)) {
        network.block(driver.node, master, clock.now + ms);
        if (random.chance(0.5)) network.block(master, driver.node, clock.now + ms);
      }
    }
  }
}
