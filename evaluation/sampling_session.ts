/** A UNet compiled for sampling: what drawing samples and the tools of --sample-only share. */
import { classifierFreeGuidance } from "../diffusion/guidance.ts";
import type { SamplerName } from "../diffusion/samplers/registry.ts";
import type { Denoiser } from "../diffusion/samplers/types.ts";
import { sizeOfSample } from "../diffusion/unet_config.ts";
import { compileUNetDenoiser } from "../diffusion/unet_denoiser.ts";
import type { Device } from "../engine/device.ts";
import type { RandomStream } from "../nn/random.ts";
import { breathe } from "../training/interrupt.ts";
import type { DrawOptions } from "./draw_samples.ts";

/** The model and its guidance. */
export type SessionOptions = Pick<
  DrawOptions,
  | ("parameters" | "config" | "nullClass")
  | ("guidanceScale" | "guidanceRescale" | "guidanceInterval")
>;

/** A compiled model; disposing of it releases its graphs. */
export interface SamplingSession extends AsyncDisposable {
  /**
   * The guided denoiser of samples of these classes.
   *
   * @param labels [B]; of an unconditional model nothing counts.
   * @throws {UserError} If guidance is asked of a model without a null class.
   */
  denoiser(labels: Int32Array): Denoiser;
}

/** Compiles a model. @param onEvaluation Is called after each evaluation that a denoiser was asked for. */
export function openSampling(
  device: Device,
  { parameters, config, nullClass, guidanceScale, ...guidance }: SessionOptions,
  onEvaluation: () => void = () => {},
): SamplingSession {
  const compiled = compileUNetDenoiser(device, parameters, config);
  const [height, width] = sizeOfSample(config.sampleSize);
  const { guidanceRescale = 0, guidanceInterval } = guidance;
  const denoiserOf = (labels: Int32Array): Denoiser => {
    if (config.numClassEmbeds === null) return compiled.condition();
    if (guidanceScale === 1 || nullClass === undefined) {
      return compiled.condition({ classLabels: labels, nullClass, guidanceScale });
    }
    return classifierFreeGuidance({
      conditional: compiled.condition({ classLabels: labels }),
      unconditional: compiled.condition({ classLabels: labels.map(() => nullClass) }),
      ...{ guidanceScale, guidanceRescale, sampleSize: height * width * config.inChannels },
      ...(guidanceInterval === undefined ? {} : { interval: guidanceInterval }),
    });
  };
  return {
    denoiser: (labels) => {
      const denoise = denoiserOf(labels);
      return async (x, timestep) => {
        const output = await denoise(x, timestep);
        await breathe();
        onEvaluation();
        return output;
      };
    },
    [Symbol.asyncDispose]: () => compiled.dispose(),
  };
}

/** How often a sampler asks its denoiser: Heun's method twice a step but the last. */
export function evaluationsOf(sampler: SamplerName, steps: number): number {
  return sampler === "heun" ? 2 * steps - 1 : steps;
}

/**
 * Noise for samples, each of which depends on the stream and on its own number alone.
 *
 * @param numbers The samples' numbers [B].
 * @param size Numbers a sample.
 * @returns A function of the draw, 0 for the start, that gives [B, size].
 */
export function noiseOf(
  random: RandomStream,
  numbers: readonly number[],
  size: number,
): (draw: number) => Float32Array {
  return (draw) => {
    const noise = new Float32Array(numbers.length * size);
    numbers.forEach((number, i) => noise.set(random.at(number).at(draw).normal(size), i * size));
    return noise;
  };
}
