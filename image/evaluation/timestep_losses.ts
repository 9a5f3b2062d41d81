/** Bits per dimension and the loss, timestep by timestep, on held-out images. */
import { gatherImages, type LabelledImages } from "../../datasets/batches.ts";
import { toModelRange } from "../../datasets/pixels.ts";
import { bitsPerDimension } from "../../diffusion/bits_per_dimension.ts";
import { splitLearnedVariance } from "../../diffusion/learned_variance.ts";
import { trainingTarget } from "../../diffusion/parameterisation.ts";
import type { Denoiser } from "../../diffusion/samplers/types.ts";
import type { NoiseSchedule } from "../../diffusion/schedules.ts";
import type { BoundOptions } from "../../diffusion/variational_bound.ts";
import { noiseOf, type RandomStream } from "../../nn/random.ts";

/** Images that visit timesteps together, and so how many each timestep is measured on. */
export const TIMESTEP_BATCH = 25;

/** What is measured. */
export interface TimestepLosses {
  /** How many images. */
  readonly images: number;
  /** How many of them each timestep but 0 is measured on; 0 is on all. */
  readonly imagesAtATimestep: number;
  /** The variational bound in bits per dimension. */
  readonly bitsPerDimension: number;
  /** Its part that no model changes: L_T. */
  readonly prior: number;
  /** The mean of `losses`: the unweighted loss at timesteps drawn uniformly. */
  readonly loss: number;
  /** Each timestep's part of the bound, from the cleanest to the noisiest [T]. */
  readonly bits: Float64Array;
  /** The mean squared error of what the model predicts at each timestep [T]. */
  readonly losses: Float64Array;
}

/** Options of {@linkcode measureTimesteps}. */
export interface TimestepOptions {
  /** Held-out images and their classes. */
  readonly images: LabelledImages;
  /** The schedule that the model was trained with. */
  readonly schedule: NoiseSchedule;
  /** How the model's steps are to be understood. */
  readonly bound?: BoundOptions;
  /** The images' channels, for a model of variances. @default 1 */
  readonly channels?: number;
  /** The noise on an image at a timestep depends on this and on the two alone. */
  readonly random: RandomStream;
  /** Is told how many of how many evaluations of the network are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Groups of images and the timesteps that each visits: 0, and others equally far apart, so that
 * all timesteps are visited and as many images take part as can.
 *
 * @returns For G groups: [G] lists of image numbers, all of one length, and [G] lists of timesteps.
 */
export function timestepGroups(
  count: number,
  numTrainTimesteps: number,
  batchSize: number = TIMESTEP_BATCH,
): { indices: Uint32Array; timesteps: number[] }[] {
  const length = Math.min(batchSize, count);
  const groups = Math.min(Math.floor(count / length), numTrainTimesteps - 1);
  return Array.from({ length: groups }, (_, group) => {
    const first = group === 0 ? groups : group;
    const visits = Math.floor((numTrainTimesteps - 1 - first) / groups) + 1;
    return {
      indices: Uint32Array.from({ length }, (_, i) => group * length + i),
      timesteps: [0, ...Array.from({ length: visits }, (_, i) => first + i * groups)],
    };
  });
}

/**
 * Measures the variational bound (Ho et al. 2020, section 4.3) and the loss at every timestep. A whole
 * test set at each of a thousand timesteps would take hours: here each image is seen at timestep 0,
 * whose term is the largest, and at a few of the others, such that every timestep is seen on as many
 * images. The bound is the sum of the timesteps' means, which leaves its expectation what it is.
 *
 * @param denoiser The model for samples of these classes [B], without guidance; with learned variances
 * it gives them too.
 * @throws {UserError} As bitsPerDimension.
 */
export async function measureTimesteps(
  denoiser: (labels: Int32Array) => Denoiser,
  { images, schedule, bound = {}, channels = 1, random, onProgress }: TimestepOptions,
): Promise<TimestepLosses> {
  const T = schedule.numTrainTimesteps;
  const size = images.images.length / images.labels.length;
  const groups = timestepGroups(images.labels.length, T);
  const total = groups.reduce((sum, { timesteps }) => sum + timesteps.length, 0);
  const [bits, losses] = [new Float64Array(T), new Float64Array(T)];
  let [prior, done] = [0, 0];
  for (const { indices, timesteps } of groups) {
    const batch = gatherImages(images, indices);
    const x0 = toModelRange(batch.images);
    const noiseAt = noiseOf(random, [...indices], size);
    const labels = Int32Array.from(batch.labels);
    let noise: Float32Array;
    // Timestep 0 is seen by all groups: it is their mean.
    const share = (timestep: number) => timestep === 0 ? 1 / groups.length : 1;
    const found = await bitsPerDimension(
      async (xt, timestep) => {
        // A new one each time: estimates that a model is shown are of the step before, not of another.
        const output = await denoiser(labels)(xt, timestep);
        const prediction = output.length === x0.length
          ? output
          : splitLearnedVariance(output, channels).prediction;
        const target = trainingTarget(schedule, x0, noise, timestep);
        losses[timestep]! += share(timestep) * meanSquaredError(prediction, target);
        onProgress?.(++done, total);
        return output;
      },
      x0,
      schedule,
      {
        ...bound,
        ...{ batchSize: indices.length, channels },
        noise: (_length, timestep) => noise = noiseAt(timestep),
        timesteps,
      },
    );
    prior += found.prior / groups.length;
    found.timesteps.forEach((timestep, i) => bits[timestep]! += share(timestep) * found.bits[i]!);
  }
  return {
    images: groups.length * groups[0]!.indices.length,
    imagesAtATimestep: groups[0]!.indices.length,
    bitsPerDimension: prior + bits.reduce((sum, value) => sum + value, 0),
    prior,
    loss: losses.reduce((sum, value) => sum + value, 0) / T,
    bits,
    losses,
  };
}

function meanSquaredError(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum / a.length;
}
