import type { BuildOptions } from "esbuild";

export interface BundleEntry {
  readonly out: string;
  readonly source: string;
  readonly format?: "cjs";
  readonly executable?: boolean;
}

export const ENTRIES: readonly BundleEntry[];

export function bundleOptions(given: {
  readonly root: string;
  readonly entry: BundleEntry;
  readonly outdir: string;
  readonly version: string;
  readonly shebang?: string;
}): BuildOptions;
