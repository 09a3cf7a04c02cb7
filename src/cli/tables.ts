// Tables of the command line.

import Table from "cli-table3";

export function table(title: string, head: string[], rows: (string | number)[][]): string {
  if (rows.length === 0) return `${title}: none\n`;
  // No colours: they would go into pipes.
  const drawn = new Table({ head, style: { head: [], border: [] } });
  drawn.push(...rows);
  return `${title}\n${drawn.toString()}\n`;
}
