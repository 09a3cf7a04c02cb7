// Map outputs have nothing to choose yet; the slice stands here so that every component is built alike.

export interface MapOutputsOptions {
  /** First version of a shuffle's locations. */
  readonly firstVersion: number;
}

export const defaultMapOutputsOptions: MapOutputsOptions = { firstVersion: 1 };
