import { usageError } from "../../base/errors.ts";
import type { NoiseSchedule } from "../schedules.ts";
import { sigmaAt } from "./sigmas.ts";
import type { SamplerStep } from "./types.ts";

/** What x_t is made of: `signal * (x0 + sigma * noise)`. */
export interface NoiseLeft {
  /** The factor of the data, in [0, 1]. */
  readonly signal: number;
  /** Noise over signal. */
  readonly sigma: number;
}

/** What x_t is made of by a schedule, at a timestep in [0, T - 1]. */
export function noiseLeft(schedule: NoiseSchedule): (timestep: number) => NoiseLeft {
  const sigmaOf = sigmaAt(schedule);
  return (timestep) => {
    const sigma = sigmaOf(timestep);
    return { signal: 1 / Math.sqrt(1 + sigma ** 2), sigma };
  };
}

/** What x_t is made of by flow matching, at a timestep in [0, T]. @param numTrainTimesteps T. */
export function flowNoiseLeft(numTrainTimesteps: number): (timestep: number) => NoiseLeft {
  return (timestep) => {
    const time = timestep / numTrainTimesteps;
    return { signal: 1 - time, sigma: time / (1 - time) };
  };
}

/**
 * Ends a sampler as soon as there is so little noise left that somebody else can go on: of latents, a
 * decoder that was trained with such noise. Its last sample is then data and noise of deviation sigma,
 * `x0 + sigma noise`, sigma being the largest of a visited timestep's that is not above finalSigma.
 *
 * @param steps What a sampler returned; of its steps, one more is asked for than is yielded.
 * @param noiseAt What a sample is made of at a timestep.
 * @param finalSigma Noise over signal, at least 0: with 0, nothing is changed.
 * @returns The sampler's steps, the last one's sample divided by its signal.
 * @throws {UserError} If there is no more noise than finalSigma to begin with.
 *
 * @example
 * ```ts
 * import { noiseSchedule } from "../schedules.ts";
 * import { ddim } from "./ddim.ts";
 * import { lastSample } from "./last_sample.ts";
 * import { noiseLeft, stopAtSigma } from "./stop_at_sigma.ts";
 *
 * const schedule = noiseSchedule();
 * const denoise = (x: Float32Array) => Promise.resolve(x); // a model that sees nothing but noise
 * const steps = ddim(denoise, new Float32Array(784), schedule, { numInferenceSteps: 50 });
 * await lastSample(stopAtSigma(steps, noiseLeft(schedule), 1));
 * ```
 */
export async function* stopAtSigma(
  steps: AsyncIterable<SamplerStep>,
  noiseAt: (timestep: number) => NoiseLeft,
  finalSigma: number,
): AsyncGenerator<SamplerStep, void, undefined> {
  let before: SamplerStep | undefined;
  for await (const step of steps) {
    // What a step is asked about is what the one before it led to.
    const { signal, sigma } = noiseAt(step.timestep);
    if (sigma <= finalSigma) {
      if (before === undefined) {
        throw usageError(
          `finalSigma is ${finalSigma}, and sampling begins with noise of ${sigma} times the signal: ` +
            "use a smaller one",
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
