/** From samples to the noise that ddim makes them of, and back (Song et al. 2021, section 5.4). */

import { requireInteger } from "../base/checks.ts";
import { epsilonCoefficients } from "./parameterisation.ts";
import { checkOutput } from "./samplers/ask.ts";
import { combine } from "./samplers/terms.ts";
import { ddim } from "./samplers/ddim.ts";
import { type Denoiser, lastSample, type SamplerStep } from "./samplers/types.ts";
import { planSteps } from "./samplers/plan.ts";
import type { NoiseSchedule } from "./schedules.ts";
import type { PreviousTimestepRule, TimestepOptions } from "./timesteps.ts";

/** Settings of {@linkcode encodeSteps}, {@linkcode encode} and {@linkcode decode}. */
export interface InversionOptions extends TimestepOptions {
  /** See SamplerOptions. @default {true} */
  setAlphaToOne?: boolean;
  /** See SamplerOptions. @default {"stride"} */
  previousTimestep?: PreviousTimestepRule;
  /**
   * encode: how often the denoiser is asked at each step. A step of ddim asks about the noisier sample,
   * which is what encoding looks for: the first answer is about the cleaner one in its stead, each
   * further one about the last result, towards the exact inverse. @default {1}
   */
  iterations?: number;
}

/**
 * Walks ddim's steps backwards, eta 0: each leads from a sample's noise level to the next higher one with
 * the noise that the denoiser sees (equation 13, the other way round). Nothing is clipped.
 *
 * @param denoise The model.
 * @param x0 Clean samples [B, ...], flat; not changed.
 * @param schedule The schedule that the model was trained with.
 * @param options Give {@linkcode decode} the same ones.
 * @throws {UserError} If an option is out of range, or the denoiser's output has the wrong length or
 * is not finite.
 */
export async function* encodeSteps(
  denoise: Denoiser,
  x0: Float32Array,
  schedule: NoiseSchedule,
  options: InversionOptions = {},
): AsyncGenerator<SamplerStep, void, undefined> {
  const { setAlphaToOne = true, previousTimestep = "stride", iterations = 1 } = options;
  requireInteger("iterations", iterations, 1);
  const final = setAlphaToOne ? 1 : schedule.alphasCumprod[0]!;
  const { predictionType } = schedule;
  const plan = planSteps(schedule, options, previousTimestep, final).reverse();
  let x: Float32Array = x0.slice();
  for (
    const [step, { timestep, steps, alphaCumprod: to, alphaCumprodPrev: from }] of plan.entries()
  ) {
    const at = { step, steps, timestep };
    let seen: Float32Array = x;
    let level = from;
    let noisier: Float32Array = x;
    let clean: Float32Array = x;
    for (let i = 0; i < iterations; i++) {
      const output = checkOutput(await denoise(seen, timestep), x, at);
      // A clean sample holds no noise to compare a prediction of x0 with.
      const exact = predictionType === "sample" && level === 1 ? to : level;
      const [p, q] = epsilonCoefficients(predictionType, exact);
      const epsilon = combine([p, output], [q, seen]);
      clean = combine([1 / Math.sqrt(from), x], [-Math.sqrt((1 - from) / from), epsilon]);
      noisier = combine([Math.sqrt(to), clean], [Math.sqrt(1 - to), epsilon]);
      [seen, level] = [noisier, to];
    }
    x = noisier;
    yield { ...at, sample: x.slice(), predictedX0: clean };
  }
}

/**
 * The noise that {@linkcode decode} makes samples of.
 *
 * @param x0 Clean samples [B, ...], flat.
 * @returns [B, ...], about standard normal where x0 is what the model was trained on.
 * @throws {UserError} As {@linkcode encodeSteps}.
 *
 * @example
 * ```ts
 * import { decode, encode } from "./encode.ts";
 * import { noiseSchedule } from "./schedules.ts";
 *
 * const denoise = (x: Float32Array) => Promise.resolve(x); // a model that sees nothing but noise
 * const [schedule, options] = [noiseSchedule(), { numInferenceSteps: 50 }];
 * const noise = await encode(denoise, new Float32Array(784), schedule, options);
 * await decode(denoise, noise, schedule, options);
 * ```
 */
export function encode(
  denoise: Denoiser,
  x0: Float32Array,
  schedule: NoiseSchedule,
  options: InversionOptions = {},
): Promise<Float32Array> {
  return lastSample(encodeSteps(denoise, x0, schedule, options));
}

/**
 * The samples that ddim makes of noise: eta 0, nothing clipped.
 *
 * @param xT Noise [B, ...], flat.
 * @returns [B, ...]
 * @throws {UserError} As ddim.
 */
export function decode(
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options: InversionOptions = {},
): Promise<Float32Array> {
  return lastSample(ddim(denoise, xT, schedule, { ...options, eta: 0, clipSample: false }));
}
