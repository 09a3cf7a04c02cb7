// How many bytes of memory a thread has touched for the first time: its minor page faults as Linux counts them. What a slot
// does not report, because it is in one long call of user code, shows here.

import { readFileSync, readlinkSync } from "node:fs";

/** The system's number of the calling thread; 0 where there is none to be had. */
export function ownThreadNumber(): number {
  try {
    return Number(readlinkSync("/proc/thread-self").split("/").at(-1));
  } catch {
    // Not Linux.
    return 0;
  }
}

/** null where it is not known: another system, a thread that is gone, or pages so large that a fault says nothing. */
export function touchedBytes(thread: number): number | null {
  if (thread === 0 || pagesAreHuge()) return null;
  try {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, "latin1");
    // Field 10; the second, in parentheses, may hold spaces.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[7]) * PAGE_BYTES;
  } catch {
    return null;
  }
}

const PAGE_BYTES = 4096;
let huge: boolean | null = null;

/** With huge pages for everybody a fault may stand for 2 MiB. */
function pagesAreHuge(): boolean {
  if (huge === null) {
    try {
      huge = readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "latin1").includes("[always]");
    } catch {
      // A kernel without them.
      huge = false;
    }
  }
  return huge;
}
