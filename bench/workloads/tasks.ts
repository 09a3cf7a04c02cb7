// 10,000 tasks that do nothing: what a task costs to schedule, launch and report.

import { scaled, type Workload } from "./workload.js";

export const tasks: Workload = {
  title: "10,000 empty tasks",
  input: null,
  async run(session, { size }) {
    const count = scaled(10_000, size);
    const records = await session.range(0, 0, 1, count).count();
    return () => ({ tasks: count, records });
  },
  plain: null,
};
