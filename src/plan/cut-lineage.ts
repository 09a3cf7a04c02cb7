// What a node becomes when its records are kept somewhere and the lineage below it is cut: a source of the same id, that reads
// the files of a checkpoint or the blocks of a cache. How the records are placed stays known, so that no later operation moves
// them again; of ranges it does not, because the keys that settled their bounds are gone with the lineage.

import { isMillraceError, MillraceError } from "../core/errors.js";
import type { NodeId } from "../core/ids.js";
import { type FunctionRef, functionsIn } from "./function.js";
import type { CutLineage, LineageNode, Source } from "./lineage.js";
import { lineageOrder, type ResolvedNode } from "./resolve.js";

/** `url`: of the directory with one object file a partition; null: the cached blocks. */
export function cutNode(
  nodes: ReadonlyMap<NodeId, LineageNode>,
  node: LineageNode,
  { partitions, partitioner }: ResolvedNode,
  url: string | null,
): LineageNode {
  const { id, callSite } = node;
  const cut: CutLineage =
    partitioner?.kind === "range"
      ? { partitions, partitioner: null, ranges: { ascending: partitioner.ascending } }
      : { partitions, partitioner };
  const source = cutSource(url, carriersBelow(nodes, id), cut);
  // Without partitions nothing was written that could be found again.
  return { kind: "source", id, callSite, source: partitions === 0 ? NOTHING : source };
}

export function cutSource(url: string | null, classes: readonly FunctionRef[], checkpoint: CutLineage): Source {
  if (url === null) return { kind: "localCheckpoint", classes, checkpoint };
  return { kind: "object", paths: [`${url}/part-*`], classes, checkpoint };
}

/** An error of looking at a source's files, told as what it is where they are a checkpoint's. */
export function ofCheckpoint(source: Source, error: unknown): unknown {
  if (source.kind !== "object" || source.checkpoint === undefined) return error;
  if (!isMillraceError(error) || (error.code !== "GLOB_MATCHED_NOTHING" && error.code !== "PATH_NOT_FOUND"))
    return error;
  return new MillraceError(
    "CHECKPOINT_LOST",
    `the files of the checkpoint ${source.paths.join(", ")} are gone: their records cannot be computed again, because the lineage was cut`,
    { fields: error.fields, cause: error },
  );
}

const NOTHING: Source = { kind: "collection", slices: [], classes: [] };

/** A function for each class that instances among the records may have, the smallest. */
function carriersBelow(nodes: ReadonlyMap<NodeId, LineageNode>, root: NodeId): FunctionRef[] {
  const carriers = new Map<string, FunctionRef>();
  for (const fn of lineageOrder(nodes, root).flatMap(functionsIn)) {
    for (const id of fn.classes ?? []) {
      const known = carriers.get(id);
      if (known === undefined || fn.bytes.byteLength < known.bytes.byteLength) carriers.set(id, fn);
    }
  }
  return [...new Set(carriers.values())];
}
