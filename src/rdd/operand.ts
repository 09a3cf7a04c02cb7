// What an operation works on: one RDD's node at one call of a public method. It captures functions and makes child nodes
// with the call's place in the user's program; an operation itself is then a few lines (operations/*.ts).

import type { CallSite, FunctionRef } from "../plan/function.js";
import type { Operator } from "../plan/lineage.js";
import { invalidArgument, requireFunction, requireSyncFunction } from "../session/arguments.js";
import type { DriverSession } from "../session/driver-session.js";
import type { AnyFunction } from "../session/function-capture.js";
import type { NodeHandle, NodeSpec } from "../session/lineage-store.js";

/** Omit that keeps the members of a union apart. */
type WithoutSite<T> = T extends unknown ? Omit<T, "callSite"> : never;

export class Operand {
  readonly session: DriverSession;
  readonly node: NodeHandle;
  /** The public method that was called. */
  readonly method: string;
  readonly #entry: AnyFunction;
  #site: CallSite | null = null;
  /** RDDs that the next node refers to beside its parents. */
  readonly #needed: NodeHandle[] = [];

  /** `entry`: the public method itself; the frame above it is the user's. */
  constructor(session: DriverSession, node: NodeHandle, method: string, entry: AnyFunction) {
    session.requireOpen(method);
    this.session = session;
    this.node = node;
    this.method = method;
    this.#entry = entry;
  }

  /** Asked for while the public method is on the stack. */
  get callSite(): CallSite {
    this.#site ??= this.session.callSite(this.method, this.#entry);
    return this.#site;
  }

  get callerStack(): () => string {
    return this.session.callerStack(this.#entry);
  }

  /** The same call, further down the chain that one method makes of several nodes. */
  on(node: NodeHandle): Operand {
    const next = new Operand(this.session, node, this.method, this.#entry);
    next.#site = this.callSite;
    return next;
  }

  /** A function that may be async. Throws INVALID_ARGUMENT, CAPTURE_FAILED or NESTED_RDD. */
  capture(argument: string, fn: unknown): FunctionRef {
    requireFunction(this.method, argument, fn);
    return this.session.captureFunction(fn, this.method);
  }

  /** A function that must be synchronous: SYNC_FUNCTION_REQUIRED otherwise. */
  captureSync(argument: string, fn: unknown): FunctionRef {
    requireSyncFunction(this.method, argument, fn);
    return this.session.captureFunction(fn, this.method);
  }

  /** A child of this RDD in the same stage. */
  narrow(operator: Operator, preservesPartitioning = false): NodeHandle {
    return this.add({ kind: "narrow", parent: this.node.node.id, operator, preservesPartitioning }, [this.node]);
  }

  add(spec: WithoutSite<NodeSpec>, parents: readonly NodeHandle[]): NodeHandle {
    return this.session.addNode({ ...spec, callSite: this.callSite } as NodeSpec, [...parents, ...this.#needed]);
  }

  /** The node that is made next refers to this one (its partitioner's): the master is told of it, and it lives as long. */
  needs(handle: NodeHandle): void {
    this.#needed.push(handle);
  }

  /** The node of another RDD of the same session. */
  other(argument: string, other: Dataset): NodeHandle {
    if (typeof other !== "object" || other === null || !(datasetNode in other)) {
      throw invalidArgument(this.method, argument, "an RDD", other);
    }
    if (other[datasetSession] !== this.session) {
      throw invalidArgument(this.method, argument, "an RDD of the same session", other);
    }
    return other[datasetNode];
  }
}

// Global, so that two copies of the package in one program agree.
export const datasetNode: unique symbol = Symbol.for("millrace.node");
export const datasetSession: unique symbol = Symbol.for("millrace.session");

/** What operations need of an RDD; the class itself imports them, not the other way round. */
export interface Dataset {
  readonly [datasetNode]: NodeHandle;
  readonly [datasetSession]: DriverSession;
}
