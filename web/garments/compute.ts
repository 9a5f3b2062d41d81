/** Samples garments: the images after every step, beside what the network takes them to become. */
import { FASHION_MNIST_CLASSES } from "../../datasets/fashion_mnist_classes.ts";
import { pixelsOf } from "../../datasets/image_set.ts";
import { toPixels } from "../../datasets/pixels.ts";
import { interpolateNoise } from "../../diffusion/interpolate.ts";
import { inpaint } from "../../diffusion/inpaint.ts";
import { type SamplerName, samplerOf } from "../../diffusion/samplers/registry.ts";
import { samplingOptionsOf } from "../../image/check_sampling.ts";
import { type LoadedImageModel, loadImageModel } from "../../image/checkpoint.ts";
import { NANO, RELEASED_SAMPLING } from "../../image/presets.ts";
import { evaluationsOf, openSampling } from "../../image/sampling/samples.ts";
import { noiseOf, randomStream } from "../../nn/random.ts";
import { openModel } from "../models.ts";
import type { Context, Emit } from "../protocol.ts";

const images = { height: 28, width: 28, channels: 1, classNames: FASHION_MNIST_CLASSES } as const;
const SIZE = pixelsOf(images);

/** The images of a request. */
export const COUNT = 10;

export interface GarmentRequest {
  /** The class of all images; undefined for one image of each class. */
  readonly label: number | undefined;
  readonly seed: number;
  readonly sampler: SamplerName;
  readonly steps: number;
  readonly eta: number;
  readonly guidance: number;
  /** The images lie on the arc between the first noises of the two seeds. */
  readonly otherSeed?: number | undefined;
  /** Images to keep [COUNT, 28, 28] in [-1, 1], except where the mask [28, 28] is 0. */
  readonly keep?: { readonly pixels: Float32Array; readonly mask: Float32Array } | undefined;
}

/** The images after a step. */
export interface GarmentStep {
  /** Steps done; 0 for the initial noise. */
  readonly step: number;
  readonly steps: number;
  /** The noisy images [COUNT, 28, 28], 0 to 255. */
  readonly noisy: Uint8Array;
  /** The clean images that the step predicts. */
  readonly predicted: Uint8Array;
  /** The noisy images in the model's range, for `keep`. */
  readonly sample: Float32Array;
}

/** The settings of `deno task image --sample-only`, changed by those of the request. */
function optionsOf(
  model: LoadedImageModel,
  { seed, sampler, steps, eta, guidance }: GarmentRequest,
) {
  const { timestepSpacing, varianceType, solverOrder, flowShift } = model.samplerOptions;
  return samplingOptionsOf({ ...model, images }, {
    ...NANO,
    ...RELEASED_SAMPLING,
    ...{ timestepSpacing, varianceType, solverOrder, flowShift },
    ...{ seed, sampler, sampleSteps: steps, eta, guidance },
  });
}

/** The noise of `deno task image --sample-only`; between two seeds, all images share what steps add. */
function noiseFor({ seed, otherSeed }: GarmentRequest): (draw: number) => Float32Array {
  const stream = (seed: number) => randomStream(seed).stream("samples");
  const numbers = Array.from({ length: COUNT }, (_, i) => i);
  if (otherSeed === undefined) return noiseOf(stream(seed), numbers, SIZE);
  const first = (seed: number) => noiseOf(stream(seed), [0], SIZE)(0);
  const shared = noiseOf(stream(seed), numbers.map(() => 0), SIZE);
  return (draw) =>
    draw === 0 ? interpolateNoise(first(seed), first(otherSeed), COUNT) : shared(draw);
}

/** Samples images, and emits them before the first step and after every step. */
export async function drawGarments(
  { device, report }: Context,
  request: GarmentRequest,
  emit: Emit<GarmentStep>,
): Promise<{ readonly milliseconds: number }> {
  const model = await openModel("fashion-mnist", report, loadImageModel);
  const { keep, label } = request;
  const steps = evaluationsOf(request.sampler, request.steps);
  const options = optionsOf(model, request);
  await using session = openSampling(device, options);
  const denoise = session.denoiser(Int32Array.from({ length: COUNT }, (_, i) => label ?? i));
  const noiseAt = noiseFor(request);
  const noise = noiseAt(0);
  const sampler = samplerOf(request.sampler);
  const samplerOptions = {
    ...options.samplerOptions,
    channels: 1,
    noise: (_length: number, step: number) => noiseAt(step + 1), // 0 is the initial noise
  };
  const show = (step: number, sample: Float32Array, predicted: Float32Array) =>
    emit({
      step,
      steps,
      noisy: toPixels(sample),
      predicted: toPixels(predicted),
      sample: sample.slice(),
    });
  const started = performance.now();
  show(0, noise, new Float32Array(noise.length));
  const trajectory = keep === undefined
    ? sampler(denoise, noise, model.schedule, samplerOptions)
    : inpaint({
      sampler,
      denoise,
      noise,
      schedule: model.schedule,
      image: keep.pixels,
      mask: Float32Array.from(keep.pixels, (_, i) => keep.mask[i % SIZE]!),
      options: samplerOptions,
    });
  for await (const { step, sample, predictedX0 } of trajectory) show(step + 1, sample, predictedX0);
  return { milliseconds: performance.now() - started };
}
