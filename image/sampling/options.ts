/** What image.ts's sampling settings mean to the library. */
import { dynamicThreshold } from "../../diffusion/dynamic_threshold.ts";
import type { SchedulerOptions } from "../../diffusion/scheduler_config.ts";
import { nullClassOf, SIDE } from "../config.ts";
import type { ImageConfig } from "../flags.ts";
import { guidanceIntervalOf, timestepsOf } from "../check_sampling.ts";
import type { DrawOptions } from "./samples.ts";

/** A network that samples are drawn from. */
export interface SampledModel extends Pick<DrawOptions, "parameters" | "config" | "schedule"> {
  /** The sampler's options that its checkpoint names. */
  samplerOptions?: SchedulerOptions;
}

/** A model and how it is sampled; whoever draws adds classes and randomness. */
export type SamplingOptions = Omit<DrawOptions, "labels" | "random" | "batchSize" | "onProgress">;

/**
 * Puts the settings together.
 *
 * @throws {UserError} With exit code 2 if the settings do not fit the model's schedule.
 */
export function samplingOptionsOf(model: SampledModel, config: ImageConfig): SamplingOptions {
  const { sampler, sampleSteps, timestepSpacing, eta, varianceType, solverOrder } = config;
  const { flowShift } = config;
  const timesteps = timestepsOf(config, model.schedule.numTrainTimesteps);
  const interval = guidanceIntervalOf(config, model.schedule, sampler);
  const ratio = config.dynamicThreshold;
  return {
    parameters: model.parameters,
    config: model.config,
    channels: 1,
    schedule: model.schedule,
    sampler,
    samplerOptions: {
      ...model.samplerOptions,
      ...(timesteps === undefined
        ? { numInferenceSteps: sampleSteps, timestepSpacing }
        : { timesteps }),
      ...{ eta, varianceType, solverOrder, flowShift },
      channels: 1, // grey images
      useKarrasSigmas: config.sigmaSpacing === "karras",
      useExponentialSigmas: config.sigmaSpacing === "exponential",
      previousTimestep: "next",
      useClippedModelOutput: true, // guidance would work backwards without it
      ...(ratio === 0 ? {} : {
        clipSample: false, // it would come first and leave nothing to scale
        constrainX0: (x0) =>
          dynamicThreshold(x0, { sampleSize: SIDE * SIDE, dynamicThresholdingRatio: ratio }),
      }),
    },
    nullClass: nullClassOf(model.config),
    guidanceScale: config.guidance,
    guidanceRescale: config.guidanceRescale,
    ...(interval === undefined ? {} : { guidanceInterval: interval }),
  };
}
