// Sizes of map outputs in one byte each: exact up to 10, above that rounded up in steps of at most 10 %, the last step
// standing for everything from 85 GB. Encoding a decoded size gives the same byte again.

const STEPS = buildSteps();

export function encodeSizes(sizes: readonly number[]): Uint8Array {
  const out = new Uint8Array(sizes.length);
  for (let i = 0; i < sizes.length; i++) out[i] = stepOf(sizes[i] as number);
  return out;
}

export function decodeSizes(steps: Uint8Array): number[] {
  const sizes = new Array<number>(steps.length);
  for (let i = 0; i < steps.length; i++) sizes[i] = STEPS[steps[i] as number] as number;
  return sizes;
}

/** The first step that is not below `size`. */
function stepOf(size: number): number {
  let low = 0;
  let high = 255;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((STEPS[middle] as number) < size) low = middle + 1;
    else high = middle;
  }
  return low;
}

function buildSteps(): Float64Array {
  const steps = new Float64Array(256);
  for (let i = 1; i < 256; i++)
    steps[i] = Math.max((steps[i - 1] as number) + 1, Math.floor((steps[i - 1] as number) * 1.1));
  return steps;
}
