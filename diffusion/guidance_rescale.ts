import { UserError } from "../base/errors.ts";
import { requireInteger, requireNumber } from "../base/checks.ts";

/** Settings of {@linkcode rescaleGuidance}. */
export interface GuidanceRescaleOptions {
  /** How many numbers a sample has. */
  sampleSize: number;
  /** phi: 0 leaves the output as it is, 1 gives it the conditional one's deviation. @default {0.7} */
  guidanceRescale?: number;
}

/** The deviation of a sample's numbers. */
function deviation(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

/**
 * Takes back the contrast that guidance adds, which overexposes samples: each sample of the guided output
 * is multiplied so that its deviation becomes the conditional output's, and the result is mixed with
 * what it was (Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed",
 * equations 14 to 16).
 *
 * @param guided The output after combineGuidance [B, ...], flat.
 * @param conditional The conditional output [B, ...].
 * @returns A new array [B, ...]; a sample without any deviation is left as it is.
 * @throws {UserError} If lengths do not fit or the rescale is outside [0, 1].
 */
export function rescaleGuidance(
  guided: Float32Array,
  conditional: Float32Array,
  { sampleSize, guidanceRescale = 0.7 }: GuidanceRescaleOptions,
): Float32Array {
  requireNumber("guidanceRescale", guidanceRescale, 0, 1);
  requireInteger("sampleSize", sampleSize, 1);
  if (guided.length !== conditional.length || guided.length % sampleSize !== 0) {
    throw new UserError(
      `the guided output has ${guided.length} numbers, the conditional one ${conditional.length}; ` +
        `both must be samples of ${sampleSize} numbers`,
    );
  }
  const out = guided.slice();
  for (let start = 0; start < out.length; start += sampleSize) {
    const sample = out.subarray(start, start + sampleSize);
    const found = deviation(sample);
    if (found === 0) continue;
    const ratio = deviation(conditional.subarray(start, start + sampleSize)) / found;
    const factor = guidanceRescale * ratio + (1 - guidanceRescale);
    sample.forEach((value, i) => sample[i] = factor * value);
  }
  return out;
}
