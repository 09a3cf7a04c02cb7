// The figures of a run as an SVG: bars by workload, each workload with a linear scale of its own, because they differ by a
// factor of a hundred and the eye takes lengths for ratios. A page shows the picture by its address, so that nothing of the
// page's style reaches it: it has a ground of its own, light or dark as the reader's system is, and is readable on either.

import type { Measurement, WorkloadReport } from "./report.js";
import { type BenchResults, describeLoad, describeResults } from "./results-file.js";

const WIDTH = 960;
const MARGIN = 24;
const HEAD = 90;
const COLUMN_GAP = 32;
const COLUMN = (WIDTH - 2 * MARGIN - COLUMN_GAP) / 2;
const LABEL = 124;
/** Kept free right of the longest bar for its figure. */
const FIGURE = 52;
const LONGEST = COLUMN - LABEL - FIGURE;
const TITLE_HEIGHT = 22;
const BAR_HEIGHT = 13;
const BAR_STEP = 18;
const GROUP_GAP = 18;
/** A bar that would be thinner than this could not be seen. */
const THINNEST = 1;

const STYLE = `
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .head { font-size: 17px; font-weight: 600; }
  .work { font-weight: 600; }
  .quiet { fill: #59636e; }
  .ground { fill: #ffffff; stroke: #d1d9e0; }
  .local { fill: #0969da; }
  .cluster { fill: #54aeff; }
  .spark { fill: #d4742c; }
  .other { fill: #9198a1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .quiet { fill: #9198a1; }
    .ground { fill: #0d1117; stroke: #3d444d; }
    .local { fill: #4493f8; }
    .cluster { fill: #1f5fb8; }
    .spark { fill: #e0823d; }
    .other { fill: #656c76; }
  }
`;

/** Workloads without a time to compare are left out: an idle worker's memory, and what one engine alone has. */
export function chartOf(results: BenchResults): string {
  const groups = results.reports.filter((report) => report.workload !== "rss" && report.measurements.length > 0);
  const parts: string[] = [];
  let y = HEAD;
  for (let row = 0; row < groups.length; row += 2) {
    const pair = groups.slice(row, row + 2);
    for (const [column, report] of pair.entries())
      parts.push(group(report, MARGIN + column * (COLUMN + COLUMN_GAP), y));
    y += Math.max(...pair.map(heightOf)) + GROUP_GAP;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" role="img">
<title>${escaped(`millrace and peers: ${describeResults(results)}`)}</title>
<style>${STYLE}</style>
<rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${y - 1}" rx="6"/>
<text class="head" x="${MARGIN}" y="32">Seconds, warm where there is a warm run; shorter is better</text>
<text class="quiet" x="${MARGIN}" y="52">${escaped(describeResults(results))}</text>
<text class="quiet" x="${MARGIN}" y="69">${escaped([describeLoad(results), "each work has a scale of its own"].filter(Boolean).join("; "))}</text>
${parts.join("\n")}
</svg>
`;
}

function heightOf({ measurements }: WorkloadReport): number {
  return TITLE_HEIGHT + measurements.length * BAR_STEP;
}

function group({ title, measurements }: WorkloadReport, x: number, y: number): string {
  const longest = Math.max(...measurements.map(secondsOf));
  const bars = measurements.map((measurement, at) => {
    const top = y + TITLE_HEIGHT + at * BAR_STEP;
    const width = Math.max(THINNEST, (secondsOf(measurement) / longest) * LONGEST);
    const baseline = top + BAR_HEIGHT - 2;
    const name = labelOf(measurement.engine);
    return `<text class="quiet" x="${x + LABEL - 8}" y="${baseline}" text-anchor="end">${escaped(name)}</text>
<rect class="${classOf(measurement.engine)}" x="${x + LABEL}" y="${top}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>
<text x="${(x + LABEL + width + 6).toFixed(1)}" y="${baseline}">${figure(secondsOf(measurement))}</text>`;
  });
  return `<text class="work" x="${x}" y="${y + 12}">${escaped(title)}</text>\n${bars.join("\n")}`;
}

function secondsOf({ warm, first }: Measurement): number {
  return warm ?? first;
}

/** As people know them; what stands in the brackets of a cluster is said beside the table. */
function labelOf(engine: string): string {
  if (engine.startsWith("local-cluster")) return "millrace cluster";
  if (engine.startsWith("local")) return `millrace ${engine}`;
  if (engine.startsWith("spark")) return "Spark";
  return engine === "plain" ? "plain loop" : engine === "duckdb" ? "DuckDB" : engine === "python" ? "Python" : engine;
}

function classOf(engine: string): string {
  if (engine.startsWith("local-cluster") || engine.startsWith("millrace:")) return "cluster";
  if (engine.startsWith("local")) return "local";
  return engine.startsWith("spark") ? "spark" : "other";
}

function figure(seconds: number): string {
  return seconds.toFixed(seconds < 1 ? 2 : 1);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
