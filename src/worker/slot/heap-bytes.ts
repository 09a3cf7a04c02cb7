// What this thread's isolate holds: objects, and memory outside the heap that objects own (Buffers).

import { getHeapStatistics } from "node:v8";

export function heapBytes(): number {
  const heap = getHeapStatistics();
  return heap.used_heap_size + heap.external_memory;
}
