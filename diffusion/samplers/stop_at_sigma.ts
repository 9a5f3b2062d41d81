/** Ends a sampler early, at a given noise level. */
import { usageError } from "../../base/errors.ts";
import type { NoiseSchedule } from "../schedules.ts";
import { sigmaAt } from "./sigmas.ts";
import type { SamplerStep, SamplerSteps } from "./types.ts";

/** The noise in a sample: `x_t = signal * (x0 + sigma * noise)`. */
export interface NoiseLeft {
  /** The factor of the data, in [0, 1]. */
  readonly signal: number;
  /** Noise over signal. */
  readonly sigma: number;
}

/** The noise in samples of a schedule as a function of the timestep in [0, T - 1]. */
export function noiseLeft(schedule: NoiseSchedule): (timestep: number) => NoiseLeft {
  const sigmaOf = sigmaAt(schedule);
  return (timestep) => {
    const sigma = sigmaOf(timestep);
    return { signal: 1 / Math.sqrt(1 + sigma ** 2), sigma };
  };
}

/** The noise in samples of flow matching as a function of the timestep in [0, T]. */
export function flowNoiseLeft(numTrainTimesteps: number): (timestep: number) => NoiseLeft {
  return (timestep) => {
    const time = timestep / numTrainTimesteps;
    return { signal: 1 - time, sigma: time / (1 - time) };
  };
}

/**
 * Ends a sampler as soon as the remaining noise is at most finalSigma. This is for latents whose decoder
 * was trained with that much noise. The last sample is `x0 + sigma noise`; sigma is the largest one of a
 * visited timestep that is not above finalSigma.
 *
 * @param steps The steps of a sampler; one step more is computed than is yielded.
 * @param noiseAt The noise in a sample at a timestep.
 * @param finalSigma Noise over signal, at least 0; with 0 all steps are yielded unchanged.
 * @returns The sampler's steps; the last one's sample is divided by its signal.
 * @throws {UserError} If sampling starts with no more noise than finalSigma.
 *
 * @example
 * ```ts
 * import { ddim, lastSample, noiseSchedule } from "@nanodiffusion/nanodiffusion";
 * import { noiseLeft, stopAtSigma } from "@nanodiffusion/nanodiffusion/samplers";
 *
 * const schedule = noiseSchedule();
 * const denoise = (x: Float32Array) => Promise.resolve(x); // takes everything for noise
 * const steps = ddim(denoise, new Float32Array(784), schedule, { numInferenceSteps: 50 });
 * await lastSample(stopAtSigma(steps, noiseLeft(schedule), 1));
 * ```
 */
export async function* stopAtSigma(
  steps: AsyncIterable<SamplerStep>,
  noiseAt: (timestep: number) => NoiseLeft,
  finalSigma: number,
): SamplerSteps {
  let before: SamplerStep | undefined;
  for await (const step of steps) {
    // A step starts at its timestep's noise level, which is the level that the step before led to.
    const { signal, sigma } = noiseAt(step.timestep);
    if (sigma <= finalSigma) {
      if (before === undefined) {
        throw usageError(
          `finalSigma is ${finalSigma}, and sampling starts with noise of ${sigma} times the signal: ` +
            "use a smaller finalSigma",
        );
      }
      yield { ...before, sample: before.sample.map((value) => value / signal) };
      return;
    }
    if (before !== undefined) yield before;
    before = step;
  }
  if (before !== undefined) yield before;
}
