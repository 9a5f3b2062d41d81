/** Dynamic thresholding, the alternative to clipping x0 with strong guidance. */
import { requireInteger, requireNumber } from "../base/checks.ts";
import { UserError } from "../base/errors.ts";

/** Settings of {@linkcode dynamicThreshold}. */
export interface DynamicThresholdOptions {
  /** The number of elements of a sample. */
  sampleSize: number;
  /** The share of a sample's magnitudes up to its threshold, in (0, 1]. @default {0.995} */
  dynamicThresholdingRatio?: number;
  /**
   * The largest threshold, at least 1. diffusers calls it sample_max_value; its default of 1 makes this
   * ordinary clipping. @default {Infinity}
   */
  sampleMaxValue?: number;
}

/**
 * Thresholds predicted x0 dynamically. Strong guidance makes magnitudes above 1, and clipping at 1 would
 * saturate such samples. Instead each sample is clipped at a high quantile of its own magnitudes and
 * divided by it (Saharia et al. 2022, Imagen, section 2.3).
 *
 * @param x0 [B, ...], flat.
 * @returns A new array [B, ...], in [-1, 1]; samples whose quantile is at most 1 are only clipped.
 * @throws {UserError} If an option is out of range or sampleSize does not divide the length.
 *
 * @example
 * ```ts
 * import { ddim, dynamicThreshold, noiseSchedule } from "@nanodiffusion/nanodiffusion";
 *
 * ddim((x) => Promise.resolve(x), new Float32Array(2 * 784), noiseSchedule(), {
 *   clipSample: false, // clipping would come first
 *   constrainX0: (x0) => dynamicThreshold(x0, { sampleSize: 784 }),
 * });
 * ```
 */
export function dynamicThreshold(
  x0: Float32Array,
  options: DynamicThresholdOptions,
): Float32Array {
  const { sampleSize, dynamicThresholdingRatio = 0.995, sampleMaxValue = Infinity } = options;
  requireInteger("sampleSize", sampleSize, 1);
  requireNumber("dynamicThresholdingRatio", dynamicThresholdingRatio, Number.MIN_VALUE, 1);
  if (sampleMaxValue !== Infinity) requireNumber("sampleMaxValue", sampleMaxValue, 1);
  if (x0.length % sampleSize !== 0) {
    throw new UserError(`${x0.length} numbers do not divide into samples of ${sampleSize} numbers`);
  }
  const out = x0.slice();
  for (let start = 0; start < out.length; start += sampleSize) {
    const sample = out.subarray(start, start + sampleSize);
    const magnitude = quantile(sample.map(Math.abs).sort(), dynamicThresholdingRatio);
    const threshold = Math.max(1, Math.min(magnitude, sampleMaxValue));
    sample.forEach((value, i) => {
      sample[i] = Math.max(-threshold, Math.min(threshold, value)) / threshold;
    });
  }
  return out;
}

/** The quantile of sorted numbers with linear interpolation, as numpy's default. */
function quantile(sorted: Float32Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  return low + (position - below) * ((sorted[below + 1] ?? low) - low);
}
