import { UserError } from "../base/errors.ts";
import { requireInteger, requireNumber } from "../base/checks.ts";

/** Settings of {@linkcode dynamicThreshold}. */
export interface DynamicThresholdOptions {
  /** How many numbers a sample has. */
  sampleSize: number;
  /** The share of a sample's magnitudes that lies within its threshold, in (0, 1]. @default {0.995} */
  dynamicThresholdingRatio?: number;
  /**
   * The largest threshold, at least 1. diffusers calls it sample_max_value and has 1, which makes
   * thresholding ordinary clipping. @default {Infinity}
   */
  sampleMaxValue?: number;
}

/** The quantile of rising numbers, between two of them by a straight line, as numpy's default. */
function quantile(sorted: Float32Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  return low + (position - below) * ((sorted[below + 1] ?? low) - low);
}

/**
 * Dynamic thresholding of predicted x0: a sample whose largest magnitudes leave [-1, 1], as strong
 * guidance makes them, is clipped at a high quantile of its own magnitudes and divided by it, where
 * clipping at 1 would saturate it (Saharia et al. 2022, Imagen, section 2.3).
 *
 * @param x0 [B, ...], flat.
 * @returns A new array [B, ...], in [-1, 1]; samples whose quantile is at most 1 are only clipped.
 * @throws {UserError} If an option is out of range or the samples are not whole.
 *
 * @example
 * ```ts
 * import { dynamicThreshold } from "./dynamic_threshold.ts";
 * import { ddim } from "./samplers/ddim.ts";
 * import { noiseSchedule } from "./schedules.ts";
 *
 * ddim((x) => Promise.resolve(x), new Float32Array(2 * 784), noiseSchedule(), {
 *   clipSample: false, // it would come first
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
    throw new UserError(`${x0.length} numbers are no whole samples of ${sampleSize} numbers`);
  }
  const out = x0.slice();
  for (let start = 0; start < out.length; start += sampleSize) {
    const sample = out.subarray(start, start + sampleSize);
    const wanted = quantile(sample.map(Math.abs).sort(), dynamicThresholdingRatio);
    const threshold = Math.max(1, Math.min(wanted, sampleMaxValue));
    sample.forEach((value, i) => {
      sample[i] = Math.max(-threshold, Math.min(threshold, value)) / threshold;
    });
  }
  return out;
}
