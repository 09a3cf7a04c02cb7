// The memory budget of the task that a slot runs: one counter in the slot's control row, so the main thread sees what is
// held without asking, and by whom, and clears it when the slot dies.

import { type MemoryBudget, NamedShare } from "../../core/memory.js";
import type { ControlRow } from "./control-row.js";

export class TaskMemory implements MemoryBudget {
  constructor(
    readonly limitBytes: number,
    private readonly control: ControlRow,
  ) {}

  get reservedBytes(): number {
    return this.control.reservedBytes;
  }

  tryReserve(bytes: number): boolean {
    const after = this.control.reservedBytes + bytes;
    if (after > this.limitBytes) return false;
    this.control.reservedBytes = after;
    return true;
  }

  release(bytes: number): void {
    this.control.reservedBytes -= bytes;
  }

  named(name: string): MemoryBudget {
    const holder = this.control.addHolder(name);
    return new NamedShare(this, name, (bytes) => this.control.setHolder(holder, bytes));
  }
}
