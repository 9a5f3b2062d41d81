import { usageError } from "../base/errors.ts";
import type { NoiseSchedule } from "./schedules.ts";

/**
 * The timesteps whose noise level sigma = sqrt((1 - alphasCumprod) / alphasCumprod) lies in
 * (sigmaLow, sigmaHigh], for classifierFreeGuidance's `interval` (Kynkaanniemi et al. 2024, equation 6).
 *
 * @param sigmaLow At least 0.
 * @param sigmaHigh Above sigmaLow; Infinity for no bound.
 * @returns The lowest and the highest timestep.
 * @throws {UserError} If the bounds are out of order or no timestep lies between them.
 */
export function guidanceInterval(
  schedule: NoiseSchedule,
  sigmaLow: number,
  sigmaHigh: number,
): [low: number, high: number] {
  if (!(sigmaLow >= 0 && sigmaLow < sigmaHigh)) {
    throw usageError(
      `the interval of guidance is ${sigmaLow} to ${sigmaHigh}; give sigmas of at least 0, the lower ` +
        `one first`,
    );
  }
  const sigmas = schedule.alphasCumprod.map((a) => Math.sqrt((1 - a) / a));
  const low = sigmas.findIndex((sigma) => sigma > sigmaLow);
  const high = sigmas.findLastIndex((sigma) => sigma <= sigmaHigh);
  if (low < 0 || low > high) {
    throw usageError(
      `no timestep has a noise level above ${sigmaLow} and up to ${sigmaHigh}; those of this schedule ` +
        `go from ${sigmas[0]} to ${sigmas.at(-1)}`,
    );
  }
  return [low, high];
}
