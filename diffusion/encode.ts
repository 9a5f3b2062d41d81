/** From samples to the noise that ddim turns into them, and back (Song et al. 2021, section 5.4). */
import { requireInteger } from "../base/checks.ts";
import { epsilonCoefficients } from "./parameterisation.ts";
import { checkOutput } from "./samplers/predict.ts";
import { combine } from "./samplers/terms.ts";
import { ddim } from "./samplers/ddim.ts";
import { type AncestralOptions, type Denoiser, lastSample } from "./samplers/types.ts";
import { planSteps } from "./samplers/plan.ts";
import type { NoiseSchedule } from "./schedules.ts";
import type { TimestepOptions } from "./timesteps.ts";

/** Settings of {@linkcode encode} and {@linkcode decode}. */
export interface InversionOptions
  extends TimestepOptions, Pick<AncestralOptions, "setAlphaToOne" | "previousTimestep"> {
  /**
   * encode: the denoiser's calls per step. The exact inverse of a ddim step needs the prediction at the
   * noisier sample, which is not known yet. The first call takes the cleaner sample instead, each further
   * call the result so far, which approaches the exact inverse. @default {1}
   */
  iterations?: number;
}

/**
 * The noise from which {@linkcode decode} reproduces the samples. It runs the steps of ddim with eta 0
 * backwards (equation 13): each leads to the next higher noise level with the predicted noise. Nothing is
 * clipped.
 *
 * @param denoise The model.
 * @param x0 Clean samples [B, ...], flat.
 * @param schedule The schedule that the model was trained with.
 * @param options Settings; {@linkcode decode} needs the same ones.
 * @returns [B, ...], about standard normal for samples like the training data.
 * @throws {UserError} If an option is out of range, or the denoiser's output has the wrong length or
 * is not finite.
 *
 * @example
 * ```ts
 * import { decode, encode } from "./encode.ts";
 * import { noiseSchedule } from "./schedules.ts";
 *
 * const denoise = (x: Float32Array) => Promise.resolve(x); // takes everything for noise
 * const [schedule, options] = [noiseSchedule(), { numInferenceSteps: 50 }];
 * const noise = await encode(denoise, new Float32Array(784), schedule, options);
 * await decode(denoise, noise, schedule, options);
 * ```
 */
export async function encode(
  denoise: Denoiser,
  x0: Float32Array,
  schedule: NoiseSchedule,
  options: InversionOptions = {},
): Promise<Float32Array> {
  const { setAlphaToOne = true, previousTimestep = "stride", iterations = 1 } = options;
  requireInteger("iterations", iterations, 1);
  const final = setAlphaToOne ? 1 : schedule.alphasCumprod[0]!;
  const { predictionType } = schedule;
  const plan = planSteps(schedule, options, previousTimestep, final).reverse();
  let x: Float32Array = x0;
  for (
    const [step, { timestep, steps, alphaCumprod: to, alphaCumprodPrev: from }] of plan.entries()
  ) {
    let [input, level] = [x, from];
    for (let i = 0; i < iterations; i++) {
      const output = checkOutput(await denoise(input, timestep), x, { step, steps, timestep });
      // At level 1 there is no noise, so an x0 prediction determines none.
      const defined = predictionType === "sample" && level === 1 ? to : level;
      const [p, q] = epsilonCoefficients(predictionType, defined);
      const epsilon = combine([p, output], [q, input]);
      const clean = combine([1 / Math.sqrt(from), x], [-Math.sqrt((1 - from) / from), epsilon]);
      input = combine([Math.sqrt(to), clean], [Math.sqrt(1 - to), epsilon]);
      level = to;
    }
    x = input;
  }
  return x;
}

/**
 * The samples that ddim makes of noise, with eta 0 and without clipping.
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
