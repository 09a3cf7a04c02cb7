// The driver's lineage: one handle a node, its parents held by it. A handle lives as long as somebody can still use it (an
// RDD, a child's handle, a running job); when the last of them is garbage the master is told to release the node. A node
// is sent once, with the first job that needs it.

import type { NodeId } from "../core/ids.js";
import { nodeId } from "../core/ids.js";
import type { LineageNode } from "../plan/lineage.js";
import type { DriverToMaster } from "../protocol/driver.js";
import type { NodeHandle } from "./node-handle.js";

export type { NodeHandle } from "./node-handle.js";

/** Omit that keeps the members of a union apart. */
type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
export type NodeSpec = WithoutId<LineageNode>;

type PersistMessage = DriverToMaster & { readonly kind: "persist" };

/** What the master does not know yet and must be told before (or with) a job. */
export interface Unsent {
  /** Parents before children. */
  readonly nodes: readonly LineageNode[];
  readonly persisted: readonly PersistMessage[];
}

export function persistMessage({ node, storage, name }: NodeHandle): PersistMessage {
  return { kind: "persist", node: node.id, level: storage, ...(name === null ? {} : { name }) };
}

export class LineageStore {
  readonly #sent = new Set<NodeId>();
  readonly #registry: FinalizationRegistry<NodeId>;
  readonly #onRelease: (nodes: readonly NodeId[]) => void;
  #collected: NodeId[] = [];
  #last = 0;

  /** `onRelease` gets ids of nodes that the master knows and nobody can use any more. */
  constructor(onRelease: (nodes: readonly NodeId[]) => void) {
    this.#onRelease = onRelease;
    this.#registry = new FinalizationRegistry((id) => this.release(id));
  }

  add(spec: NodeSpec, parents: readonly NodeHandle[]): NodeHandle {
    const id = nodeId(++this.#last);
    const handle: NodeHandle = {
      node: { ...spec, id } as LineageNode,
      parents,
      storage: "NONE",
      name: null,
      checkpoint: null,
      placement: null,
    };
    this.#registry.register(handle, id);
    return handle;
  }

  isSent(handle: NodeHandle): boolean {
    return this.#sent.has(handle.node.id);
  }

  /** Marks what it gives as sent. Walks without recursion: a loop of a thousand iterations makes a deep lineage. */
  takeUnsent(root: NodeHandle): Unsent {
    const nodes: LineageNode[] = [];
    const persisted: PersistMessage[] = [];
    const stack: { readonly handle: NodeHandle; next: number }[] = [{ handle: root, next: 0 }];
    const visited = new Set<NodeId>();
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const { id } = top.handle.node;
      const parent = this.#sent.has(id) ? undefined : top.handle.parents[top.next++];
      if (parent !== undefined) {
        if (!visited.has(parent.node.id)) stack.push({ handle: parent, next: 0 });
        continue;
      }
      stack.pop();
      if (visited.has(id) || this.#sent.has(id)) continue;
      visited.add(id);
      nodes.push(top.handle.node);
      if (top.handle.storage !== "NONE") persisted.push(persistMessage(top.handle));
    }
    for (const node of nodes) this.#sent.add(node.id);
    return { nodes, persisted };
  }

  /** Nobody can use the node any more. Called by the garbage collector's registry; tests call it themselves. */
  release(id: NodeId): void {
    if (!this.#sent.delete(id)) return;
    this.#collected.push(id);
    // One collection frees many nodes at once; they go in one message.
    if (this.#collected.length === 1) {
      queueMicrotask(() => {
        const ids = this.#collected.sort((a, b) => a - b);
        this.#collected = [];
        this.#onRelease(ids);
      });
    }
  }
}
