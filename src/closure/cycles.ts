// Which nodes of a captured graph refer to each other in a circle: Tarjan's strongly connected components, without recursion.
// Only such captures must be filled in after a function has been made; all others are there before it and stay constant.

import type { Encoded, Node, Property, Shape } from "./format.js";

/** The component of every node, by index. Nodes with the same number reach each other. */
export function componentsOf(nodes: readonly Node[]): Int32Array {
  const component = new Int32Array(nodes.length).fill(-1);
  const order = new Int32Array(nodes.length).fill(-1);
  const low = new Int32Array(nodes.length);
  const open: number[] = [];
  const path: { readonly index: number; readonly next: readonly number[]; at: number }[] = [];
  let visited = 0;
  let components = 0;
  const enter = (index: number) => {
    order[index] = low[index] = visited++;
    open.push(index);
    path.push({ index, next: targetsOf(nodes[index] as Node), at: 0 });
  };
  for (let root = 0; root < nodes.length; root++) {
    if (order[root] !== -1) continue;
    enter(root);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { index } = top;
      const target = top.next[top.at++];
      if (target !== undefined) {
        if (order[target] === -1) enter(target);
        else if (component[target] === -1) low[index] = Math.min(low[index] as number, order[target] as number);
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above !== undefined) low[above.index] = Math.min(low[above.index] as number, low[index] as number);
      if (low[index] !== order[index]) continue;
      let member: number | undefined;
      do {
        member = open.pop() as number;
        component[member] = components;
      } while (member !== index);
      components++;
    }
  }
  return component;
}

function targetsOf(node: Node): number[] {
  const found: number[] = [];
  const add = (value: Encoded) => {
    if (Array.isArray(value)) found.push(value[0] as number);
  };
  const shape = ({ prototype, own }: Shape) => {
    if (prototype !== undefined) add("is" in prototype ? prototype.is : prototype.of);
    addProperties(own);
  };
  const addProperties = (properties: readonly Property[] | undefined) => {
    for (const property of properties ?? []) {
      add(property[0]);
      add(property[1]);
      if (property.length === 4) add(property[3]);
    }
  };
  switch (node.kind) {
    case "function":
      node.values.forEach(add);
      add(node.self);
      addProperties(node.members);
      shape(node);
      break;
    case "array":
      node.items.forEach(add);
      shape(node);
      break;
    case "map":
      for (const [key, value] of node.entries) {
        add(key);
        add(value);
      }
      shape(node);
      break;
    case "set":
      node.members.forEach(add);
      shape(node);
      break;
    case "view":
      add(node.buffer);
      shape(node);
      break;
    case "boxed":
      add(node.value);
      shape(node);
      break;
    case "object":
    case "value":
    case "regexp":
    case "error":
      shape(node);
      break;
    default:
      break;
  }
  return found;
}
