// Launches that wait for a slot, in order of arrival: of each the tasks that are left of it. Found by the formatTaskKey of the
// first of them.

import { formatTaskKey, type TaskKey } from "../../core/ids.js";
import type { TaskLaunch } from "../../protocol/tasks.js";

/** The tasks of a launch in the order in which they run, each as a launch of its own. */
export type WaitingTasks = readonly [TaskLaunch, ...TaskLaunch[]];

export class LaunchQueue {
  #waiting = new Map<string, WaitingTasks>();

  /** Launches. */
  get size(): number {
    return this.#waiting.size;
  }

  has(first: TaskKey): boolean {
    return this.#waiting.has(formatTaskKey(first));
  }

  add(tasks: WaitingTasks): void {
    this.#waiting.set(formatTaskKey(tasks[0].key), tasks);
  }

  remove(tasks: WaitingTasks): void {
    this.#waiting.delete(formatTaskKey(tasks[0].key));
  }

  [Symbol.iterator](): Iterator<WaitingTasks> {
    return this.#waiting.values();
  }

  get keys(): TaskKey[] {
    return [...this.#waiting.values()].flat().map(({ key }) => key);
  }

  /** Takes out the tasks of these names; what else their launches have stays in its place. */
  take(names: ReadonlySet<string>): TaskKey[] {
    const taken: TaskKey[] = [];
    const left = new Map<string, WaitingTasks>();
    for (const [name, tasks] of this.#waiting) {
      const others = tasks.filter(({ key }) => !names.has(formatTaskKey(key)));
      if (others.length === tasks.length) {
        left.set(name, tasks);
        continue;
      }
      for (const { key } of tasks) if (names.has(formatTaskKey(key))) taken.push(key);
      const [first, ...rest] = others;
      if (first !== undefined) left.set(formatTaskKey(first.key), [first, ...rest]);
    }
    if (taken.length > 0) this.#waiting = left;
    return taken;
  }
}
