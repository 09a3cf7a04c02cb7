// What the driver knows of where an RDD's records lie, by its handles alone. Counts that depend on files are the master's to
// know (plan/resolve.ts), and so is whether an operation has to move records.

import type { PartitionerSpec } from "../plan/lineage.js";
import type { NodeHandle, Placement } from "./node-handle.js";

/** null: by no key, as far as anybody knows. */
export function placementOf(of: NodeHandle): Placement | null {
  let handle: NodeHandle | undefined = of;
  while (handle !== undefined) {
    const { node, parents }: NodeHandle = handle;
    switch (node.kind) {
      case "source":
        return handle.placement;
      case "narrow":
      case "zip":
        handle = node.preservesPartitioning ? parents[0] : undefined;
        break;
      case "cogroup":
      case "exchange":
      case "combine": {
        const { partitioner } = node;
        if (partitioner.kind === "as") {
          handle = parents.find((parent) => parent.node.id === partitioner.node);
          break;
        }
        const own = ownPlacement(partitioner);
        // Left open over a single parent: that one's, if its records lie by their keys.
        const open = partitioner.kind === "hash" && partitioner.partitions === null && node.kind !== "cogroup";
        return (open ? placementOf(parents[0] as NodeHandle) : null) ?? own;
      }
      default:
        return null;
    }
  }
  return null;
}

function ownPlacement(spec: Exclude<PartitionerSpec, { readonly kind: "as" }>): Placement | null {
  switch (spec.kind) {
    case "hash":
    case "custom":
    case "range":
      return { kind: spec.kind, partitions: spec.partitions };
    case "bounds":
      return { kind: "range", partitions: spec.partitions };
    case "roundRobin":
      return null;
  }
}
