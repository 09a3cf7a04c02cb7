// Reads the lineage in the driver; of sources that are files the master is asked how many partitions they have.

import type { NodeId } from "../../core/ids.js";
import type { LineageNode } from "../../plan/lineage.js";
import { lineageText } from "../../plan/lineage-text.js";
import { resolveLineage } from "../../plan/resolve.js";
import type { Split } from "../../plan/stages.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";
import { levelText } from "../storage-levels.js";

export async function debugString(at: Operand): Promise<string> {
  const handles = handlesBelow(at.node);
  const nodes = new Map<NodeId, LineageNode>([...handles].map(([id, { node }]) => [id, node]));
  const splits = new Map<NodeId, readonly Split[]>();
  for (const handle of handles.values()) {
    const { node } = handle;
    if (node.kind !== "source") continue;
    const { source } = node;
    const known = source.kind === "collection" ? source.slices.length : source.kind === "range" ? source.slices : null;
    const length = known ?? (await at.session.countPartitions(handle));
    splits.set(
      node.id,
      Array.from({ length }, (): Split => ({ kind: "range", start: 0, step: 1, count: 0 })),
    );
    // What the driver holds of a cut lineage does not say how much there is; the master knows.
    if ("checkpoint" in source && source.checkpoint !== undefined)
      nodes.set(node.id, { ...node, source: { ...source, checkpoint: { partitions: length, partitioner: null } } });
  }
  return lineageText(at.node.node.id, {
    nodes,
    resolved: resolveLineage(nodes, at.node.node.id, splits),
    name: (id) => handles.get(id)?.name ?? null,
    level: (id) => levelText[handles.get(id)?.storage ?? "NONE"],
  });
}

function handlesBelow(root: NodeHandle): Map<NodeId, NodeHandle> {
  const found = new Map<NodeId, NodeHandle>([[root.node.id, root]]);
  const stack = [root];
  for (let handle = stack.pop(); handle !== undefined; handle = stack.pop()) {
    for (const parent of handle.parents) {
      if (found.has(parent.node.id)) continue;
      found.set(parent.node.id, parent);
      stack.push(parent);
    }
  }
  return found;
}
