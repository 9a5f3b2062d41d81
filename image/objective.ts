/** What image.ts minimises, and the batches that it does so on. */
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
import { CLASSES, SIDE } from "./config.ts";
import type { ImageConfig } from "./flags.ts";
import type { LossAwareMemory } from "./loss_aware_memory.ts";

/** How probable it is that a batch is shown estimates (Chen et al. 2023). */
const ESTIMATES_SHOWN = 0.5;

/** The distance, and the variational bound beside it where variances are learned. */
export function imageLosses({ loss, huberDelta, learnedVariance }: ImageConfig): LossFunction {
  const losses = learnedVariance ? hybridLosses : diffusionLosses;
  return (denoise, parameters, batch) =>
    losses(denoise, parameters, batch, { lossType: loss, huberDelta });
}

/** A network as the validation loss wants it: predictions that hold no variances. */
export function validatedNetwork(network: ImageNetwork): DenoiserFunction {
  const denoise = trainableNetwork(network);
  return network.learnedVariance ? predictionsAlone(denoise) : denoise;
}

/** What training batches and validation batches have in common. */
const commonOf = (schedule: NoiseSchedule) =>
  ({ schedule, nullClass: CLASSES, size: [SIDE, SIDE] }) as const;

/**
 * The batches that a configuration trains on, by the step.
 *
 * @param memory The memory of losses, for loss-aware time steps.
 */
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
    // One time step stands for all T terms of the bound.
    boundWeight: learnedVariance ? boundWeight * schedule.numTrainTimesteps : undefined,
    selfConditioning: config.selfConditioning ? ESTIMATES_SHOWN : 0,
  });
}

/**
 * The batches that a configuration is validated on: noise levels drawn uniformly, whatever training
 * draws, nothing weighed, no estimates shown; the same in every run.
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
