/** Bits per dimension and the loss of held-out images, timestep by timestep. */
import { gatherImages, type LabelledImages } from "../../datasets/batches.ts";
import { toModelRange } from "../../datasets/pixels.ts";
import { bitsPerDimension } from "../../diffusion/bits_per_dimension.ts";
import { splitLearnedVariance } from "../../diffusion/learned_variance.ts";
import { trainingTarget } from "../../diffusion/parameterisation.ts";
import type { Denoiser } from "../../diffusion/samplers/types.ts";
import type { NoiseSchedule } from "../../diffusion/schedules.ts";
import type { BoundOptions } from "../../diffusion/variational_bound.ts";
import { noiseOf, type RandomStream } from "../../nn/random.ts";

/** Images per group, and so per timestep. */
export const TIMESTEP_BATCH = 25;

export interface TimestepLosses {
  readonly images: number;
  /** The number of images at each timestep from 1 on; timestep 0 is measured on all. */
  readonly imagesAtATimestep: number;
  readonly bitsPerDimension: number;
  /** The term L_T of the bound, which does not depend on the model. */
  readonly prior: number;
  readonly loss: number;
  readonly bits: Float64Array;
  readonly losses: Float64Array;
}

/**
 * Groups of images with the timesteps at which each is measured: 0, and others at equal distances. Every
 * timestep from 1 on belongs to one group, and as many images as possible are used.
 *
 * @returns For each group the indices of its images, equally many in all groups, and its timesteps.
 */
export function timestepGroups(
  count: number,
  numTrainTimesteps: number,
): { indices: Uint32Array; timesteps: number[] }[] {
  const length = Math.min(TIMESTEP_BATCH, count);
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
 * Measures the variational bound (Ho et al. 2020, section 4.3) and the loss at every timestep. All test
 * images at each of a thousand timesteps would take hours. Instead, each image is measured at timestep 0,
 * whose term is the largest, and at a few others; each timestep is measured on equally many images. The sum
 * of the timesteps' means has the same expectation as the bound.
 *
 * @param denoiser Returns the model for images of these classes [B], without guidance; with learned
 * variances if the model has them.
 * @throws {UserError} As bitsPerDimension.
 */
export async function measureTimesteps(
  denoiser: (labels: Int32Array) => Denoiser,
  { images, schedule, bound = {}, random, onProgress }: {
    readonly images: LabelledImages;
    readonly schedule: NoiseSchedule;
    /** The variance of the model's steps. */
    readonly bound?: BoundOptions | undefined;
    /** The noise is a function of this stream, the image and the timestep. */
    readonly random: RandomStream;
    readonly onProgress?: ((done: number, total: number) => void) | undefined;
  },
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
    // Timestep 0 is the mean over all groups.
    const share = (timestep: number) => timestep === 0 ? 1 / groups.length : 1;
    const found = await bitsPerDimension(
      async (xt, timestep) => {
        // A new denoiser each time: with self-conditioning, it would use the estimate of another timestep.
        const output = await denoiser(labels)(xt, timestep);
        const prediction = output.length === x0.length
          ? output
          : splitLearnedVariance(output, 1).prediction;
        const target = trainingTarget(schedule, x0, noise, timestep);
        losses[timestep]! += share(timestep) * meanSquaredError(prediction, target);
        onProgress?.(++done, total);
        return output;
      },
      x0,
      schedule,
      {
        ...bound,
        batchSize: indices.length,
        channels: 1,
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
