/** The loss of image.ts, and the batches for training and validation. */
import type { LabelledImages } from "../datasets/batches.ts";
import { hybridLosses, predictionsAlone } from "../diffusion/hybrid_loss.ts";
import { type ImageNetwork, trainableNetwork } from "../diffusion/networks/image_network.ts";
import {
  type DenoiserFunction,
  diffusionLosses,
  type LossFunction,
  type TimedBatch,
} from "../diffusion/objective.ts";
import type { NoiseSchedule } from "../diffusion/schedules.ts";
import { type RandomStream, randomStream } from "../nn/random.ts";
import { trainingBatches, validationBatches } from "./batches.ts";
import { lossWeightsOf } from "../diffusion/loss.ts";
import { CLASSES, SIDE } from "./data.ts";
import type { ImageConfig } from "./flags.ts";
import type { LossAwareMemory } from "./loss_aware_memory.ts";

/** The share of batches with self-conditioning (Chen et al. 2023). */
const SELF_CONDITIONED = 0.5;

/** The loss: the distance to the target, plus the variational bound if variances are learned. */
export function imageLosses({ loss, huberDelta, learnedVariance }: ImageConfig): LossFunction {
  const losses = learnedVariance ? hybridLosses : diffusionLosses;
  return (denoise, parameters, batch) =>
    losses(denoise, parameters, batch, { lossType: loss, huberDelta });
}

/** The network without learned variances, as the validation loss takes it. */
export function validatedNetwork(network: ImageNetwork): DenoiserFunction {
  const denoise = trainableNetwork(network);
  return network.learnedVariance ? predictionsAlone(denoise) : denoise;
}

/** Options that training and validation share. */
const commonOf = (schedule: NoiseSchedule) =>
  ({ schedule, nullClass: CLASSES, size: [SIDE, SIDE] }) as const;

/** The batches of training, as a function of the step. */
export function imageTrainingBatches(
  examples: LabelledImages,
  config: ImageConfig,
  { random, schedule, memory }: {
    random: RandomStream;
    schedule: NoiseSchedule;
    memory: LossAwareMemory | undefined;
  },
): (step: number) => TimedBatch {
  const { objective, flowTimes, learnedVariance, boundWeight, timestepSampling } = config;
  const isFlow = objective === "flow_matching";
  return trainingBatches(examples, random, {
    ...commonOf(schedule),
    batchSize: config.batchSize,
    classDropout: config.classDropout,
    weights: isFlow ? undefined : lossWeightsOf(config, schedule),
    draw: timestepSampling === "loss_aware" ? undefined : timestepSampling,
    probabilitiesNow: memory === undefined ? undefined : () => memory.probabilities(),
    flow: isFlow ? { density: flowTimes } : undefined,
    // T times the term of a random timestep is an estimate of the bound.
    boundWeight: learnedVariance ? boundWeight * schedule.numTrainTimesteps : undefined,
    selfConditioning: config.selfConditioning ? SELF_CONDITIONED : 0,
  });
}

/**
 * The batches of the validation loss, the same in all runs: uniform timesteps, no weights and no
 * self-conditioning, whatever the training uses.
 */
export function imageValidationBatches(
  examples: LabelledImages,
  { objective, validationSize }: ImageConfig,
  schedule: NoiseSchedule,
): TimedBatch[] {
  return validationBatches(examples, randomStream(0).stream("validation"), {
    ...commonOf(schedule),
    count: validationSize,
    flow: objective === "flow_matching" ? { density: "uniform" } : undefined,
  });
}
