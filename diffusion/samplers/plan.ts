/** The noise levels that a sampler goes through. */

import type { NoiseSchedule } from "../schedules.ts";
import { inferenceTimesteps, type PreviousTimestepRule, previousTimesteps } from "../timesteps.ts";
import type { SamplerOptions } from "./types.ts";

/** One step of a plan: from a noise level to a lower one. */
export interface PlannedStep {
  /** Which step, from 0. */
  readonly step: number;
  /** How many steps there are. */
  readonly steps: number;
  /** The timestep to ask the denoiser about. */
  readonly timestep: number;
  /** alphasCumprod at that timestep. */
  readonly alphaCumprod: number;
  /** alphasCumprod where the step leads. */
  readonly alphaCumprodPrev: number;
}

/**
 * The steps of a sampler that walks the schedule's own timesteps.
 *
 * @param rule Which timestep a step leads to; custom timesteps always lead to the next one.
 * @param finalAlphaCumprod alphasCumprod where the last step leads: 1 for a clean sample.
 * @throws {UserError} As {@linkcode inferenceTimesteps}.
 */
export function planSteps(
  schedule: NoiseSchedule,
  options: SamplerOptions,
  rule: PreviousTimestepRule,
  finalAlphaCumprod: number,
): PlannedStep[] {
  const { numTrainTimesteps, alphasCumprod } = schedule;
  const timesteps = inferenceTimesteps(numTrainTimesteps, options);
  const custom = options.timesteps !== undefined;
  const previous = previousTimesteps(timesteps, numTrainTimesteps, custom ? "next" : rule);
  return timesteps.map((timestep, step) => ({
    step,
    steps: timesteps.length,
    timestep,
    alphaCumprod: alphasCumprod[timestep]!,
    alphaCumprodPrev: alphasCumprod[previous[step]!] ?? finalAlphaCumprod, // below 0: not in the table
  }));
}
