/** Sampling that starts from an image or keeps a part of one. */
import { usageError, UserError } from "../base/errors.ts";
import type { Denoiser, Sampler, SamplerOptions, SamplerSteps } from "./samplers/types.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** Settings of {@linkcode imageToImage} and {@linkcode inpaint}. */
export interface ImageTask {
  /** Any sampler of the registry. */
  readonly sampler: Sampler;
  /** The model. */
  readonly denoise: Denoiser;
  /** Standard normal numbers [B, ...], flat. */
  readonly noise: Float32Array;
  /** The schedule that the model was trained with. */
  readonly schedule: NoiseSchedule;
  /** The clean images [B, ...], in the model's range. */
  readonly image: Float32Array;
  /**
   * The share of the steps that is run, in (0, 1]: of S steps the last `floor(strength S)`, at least one.
   * Sampling starts from the image with noise of the first of these steps. @default {1}
   */
  readonly strength?: number;
  /** The sampler's options, except those that these functions set themselves. */
  readonly options?: Omit<SamplerOptions, "startStep" | "initialSample" | "constrainX0">;
}

/** Settings of {@linkcode inpaint}. */
export interface InpaintTask extends ImageTask {
  /** The known part of the image [B, ...]: 1 keeps a number, 0 samples it, values between mix both. */
  readonly mask: Float32Array;
}

/**
 * Image-to-image (Meng et al. 2022, "SDEdit", algorithm 1): adds noise to the images and denoises them.
 * The greater the strength, the more changes.
 *
 * @throws {UserError} If the strength is outside (0, 1], the shapes differ, or as the sampler.
 *
 * @example
 * ```ts
 * import { ddim, imageToImage, lastSample, noiseSchedule } from "@nanodiffusion/nanodiffusion";
 *
 * const denoise = (x: Float32Array) => Promise.resolve(x); // takes everything for noise
 * const [image, noise] = [new Float32Array(784), new Float32Array(784).fill(.1)];
 * const schedule = noiseSchedule();
 * await lastSample(imageToImage({ sampler: ddim, denoise, noise, schedule, image, strength: .5 }));
 * ```
 */
export function imageToImage(task: ImageTask): SamplerSteps {
  return task.sampler(task.denoise, task.noise, task.schedule, partOf(task));
}

/**
 * Inpainting by replacement (Song et al. 2021, "Score-Based Generative Modeling", appendix I.2; Lugmayr et
 * al. 2022, "RePaint", equation 8, without resampling). At every step the known region is the known image
 * with noise of that step's level, and the denoiser fits the rest to it.
 *
 * The predicted x0 is replaced in the known region, so it works with every sampler. With ddpm the next
 * sample is from q(x_s | x_t, x0) and hence from q(x_s | x0), as in RePaint, but its noise depends on the
 * noise before; a sampler without noise keeps its initial noise. The known region ends as the image, up
 * to float32's precision.
 *
 * @throws {UserError} If the strength or the mask is out of range, the shapes differ, or as the sampler.
 */
export function inpaint(task: InpaintTask): SamplerSteps {
  const { sampler, denoise, noise, schedule, image, mask } = task;
  const options = partOf(task);
  requireShape("mask", mask, noise);
  const bad = mask.findIndex((value) => !(value >= 0 && value <= 1));
  if (bad >= 0) {
    throw usageError(`the mask's number ${bad} is ${mask[bad]}; it must be from 0 to 1`);
  }
  const constrainX0 = (x0: Float32Array) =>
    x0.map((value, i) => mask[i]! * image[i]! + (1 - mask[i]!) * value);
  // At full strength the image's content in the unknown region must not influence the result.
  const initialSample = (task.strength ?? 1) === 1 ? image.map((v, i) => mask[i]! * v) : image;
  return sampler(denoise, noise, schedule, { ...options, initialSample, constrainX0 });
}

/** The sampler's options for the share of steps that the strength gives. */
function partOf({ schedule, image, noise, strength = 1, options = {} }: ImageTask): SamplerOptions {
  requireShape("image", image, noise);
  if (!(strength > 0 && strength <= 1)) {
    throw usageError(`strength is ${strength}; it must be above 0 and at most 1`);
  }
  const { timesteps, numInferenceSteps = timesteps?.length ?? schedule.numTrainTimesteps } =
    options;
  const count = Math.max(1, Math.floor(numInferenceSteps * strength));
  return { ...options, startStep: numInferenceSteps - count, initialSample: image };
}

function requireShape(name: string, values: Float32Array, noise: Float32Array): void {
  if (values.length !== noise.length) {
    throw new UserError(
      `the ${name} has ${values.length} numbers and the noise ${noise.length}; ` +
        `give them the same shape`,
    );
  }
}
