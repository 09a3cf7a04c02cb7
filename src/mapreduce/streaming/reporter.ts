// Lines of a command's stderr: `reporter:counter:group,name,amount` and `reporter:status:text` are for the job, everything
// else is what the command has to say and goes to the driver as a task's own prints do.

import type { TaskCounters } from "../counters.js";

export function hearErrorLine(line: string, prefix: string, counters: TaskCounters): void {
  if (!line.startsWith(prefix)) {
    console.error(line);
    return;
  }
  const said = line.slice(prefix.length);
  const counter = /^counter:([^,]*),([^,]*),\s*(-?\d+)\s*$/.exec(said);
  if (counter !== null) {
    const [, group, name, amount] = counter as unknown as [string, string, string, string];
    counters.add(group.trim(), name.trim(), Number(amount));
  } else if (said.startsWith("status:")) console.error(`status: ${said.slice("status:".length)}`);
  else console.error(`not a reporter line that can be read: ${line}`);
}
