// Named accumulators and metrics in a line.

import type { Distribution, NamedValue } from "../core/user-metrics.js";

/** `bad lines = 17`, `parsing = 1,200 times, mean 0.02 ms, p95 0.05 ms, max 3 ms`. */
export function formatNamedValue({ name, kind, value }: NamedValue): string {
  if (typeof value === "string") return `${name} = ${value}`;
  if (typeof value === "number") return `${name} = ${figure(value)}`;
  const unit = kind === "timer" ? " ms" : "";
  return `${name} = ${spread(value, unit)}`;
}

function spread({ count, mean, p50, p95, max }: Distribution, unit: string): string {
  const parts = [`mean ${figure(mean)}${unit}`, `p50 ${figure(p50)}${unit}`, `p95 ${figure(p95)}${unit}`];
  return `${figure(count)} values, ${parts.join(", ")}, max ${figure(max)}${unit}`;
}

function figure(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4)));
}
