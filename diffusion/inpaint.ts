/** Sampling that starts from an image or keeps a part of one. */

import { usageError, UserError } from "../base/errors.ts";
import type { Denoiser, Sampler, SamplerOptions, SamplerStep } from "./samplers/types.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** What {@linkcode imageToImage} and {@linkcode inpaint} sample with. */
export interface ImageTask {
  /** Any sampler of the registry. */
  readonly sampler: Sampler;
  /** The model. */
  readonly denoise: Denoiser;
  /** Standard normal numbers [B, ...], flat. */
  readonly noise: Float32Array;
  /** The schedule that the model was trained with. */
  readonly schedule: NoiseSchedule;
  /** The clean images [B, ...], as the model knows them. */
  readonly image: Float32Array;
  /**
   * How much of the plan is walked, in (0, 1]: of S steps the last `floor(strength S)`, at least one,
   * from the image noised to the first one's level. @default {1}
   */
  readonly strength?: number;
  /** The sampler's options; startStep, initialSample and constrainX0 are these functions' business. */
  readonly options?: Omit<SamplerOptions, "startStep" | "initialSample" | "constrainX0">;
}

function requireShape(name: string, values: Float32Array, noise: Float32Array): void {
  if (values.length !== noise.length) {
    throw new UserError(
      `the ${name} has ${values.length} numbers and the noise ${noise.length}; ` +
        `give them the same shape`,
    );
  }
}

/** The sampler's options for a part of the plan. */
function partOf({ schedule, image, noise, strength = 1, options = {} }: ImageTask): SamplerOptions {
  requireShape("image", image, noise);
  if (!(strength > 0 && strength <= 1)) {
    throw usageError(`strength is ${strength}; it must be above 0 and at most 1`);
  }
  const { timesteps, numInferenceSteps = timesteps?.length ?? schedule.numTrainTimesteps } =
    options;
  const walked = Math.max(1, Math.floor(numInferenceSteps * strength));
  return { ...options, startStep: numInferenceSteps - walked, initialSample: image };
}

/**
 * Image-to-image (Meng et al. 2022, "SDEdit", algorithm 1): noises the images and denoises them again,
 * the more of them anew the greater the strength.
 *
 * @throws {UserError} If the strength is outside (0, 1], the shapes differ, or as the sampler.
 *
 * @example
 * ```ts
 * import { imageToImage } from "./inpaint.ts";
 * import { ddim } from "./samplers/ddim.ts";
 * import { lastSample } from "./samplers/last_sample.ts";
 * import { noiseSchedule } from "./schedules.ts";
 *
 * const denoise = (x: Float32Array) => Promise.resolve(x); // a model that sees nothing but noise
 * const [image, noise] = [new Float32Array(784), new Float32Array(784).fill(.1)];
 * const schedule = noiseSchedule();
 * await lastSample(imageToImage({ sampler: ddim, denoise, noise, schedule, image, strength: .5 }));
 * ```
 */
export function imageToImage(task: ImageTask): AsyncGenerator<SamplerStep, void, undefined> {
  return task.sampler(task.denoise, task.noise, task.schedule, partOf(task));
}

/** What {@linkcode inpaint} samples with. */
export interface InpaintTask extends ImageTask {
  /** What of the image is known [B, ...]: 1 keeps a number, 0 makes it anew, between them both count. */
  readonly mask: Float32Array;
}

/**
 * Inpainting by replacement (Song et al. 2021, "Score-Based Generative Modeling", appendix I.2; Lugmayr et
 * al. 2022, "RePaint", equation 8, without resampling): at every step the known region is the known image,
 * noised to that step's level, so that the denoiser fits the rest to it.
 *
 * It is done by replacing x0 in the known region, from which every sampler makes the next sample: ddpm's
 * next sample is then a draw from q(x_s | x_t, x0), and so from q(x_s | x0), as RePaint's is, but its noise
 * goes with the noise before, and a sampler without noise keeps the noise that it started with. The known
 * region begins with the image noised, and ends as the image to float32's precision.
 *
 * @throws {UserError} If the strength or the mask is out of range, the shapes differ, or as the sampler.
 */
export function inpaint(task: InpaintTask): AsyncGenerator<SamplerStep, void, undefined> {
  const { sampler, denoise, noise, schedule, image, mask } = task;
  const options = partOf(task);
  requireShape("mask", mask, noise);
  const bad = mask.findIndex((value) => !(value >= 0 && value <= 1));
  if (bad >= 0) {
    throw usageError(`the mask's number ${bad} is ${mask[bad]}; it must be from 0 to 1`);
  }
  const constrainX0 = (x0: Float32Array) =>
    x0.map((value, i) => mask[i]! * image[i]! + (1 - mask[i]!) * value);
  // At full strength nothing of what the image holds in the unknown region may shine through.
  const initialSample = (task.strength ?? 1) === 1 ? image.map((v, i) => mask[i]! * v) : image;
  return sampler(denoise, noise, schedule, { ...options, initialSample, constrainX0 });
}
