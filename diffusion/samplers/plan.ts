/** The noise levels that a sampler visits. */
import { requireInteger } from "../../base/checks.ts";
import { UserError } from "../../base/errors.ts";
import type { NoiseSchedule } from "../schedules.ts";
import { inferenceTimesteps, type PreviousTimestepRule, previousTimesteps } from "../timesteps.ts";
import { combine } from "./terms.ts";
import type { SamplerOptions } from "./types.ts";

/** One step of a plan: from a noise level to a lower one. */
export interface PlannedStep {
  /** The step's number, from 0. */
  readonly step: number;
  readonly steps: number;
  /** The timestep that the denoiser is called with. */
  readonly timestep: number;
  /** alphasCumprod at that timestep. */
  readonly alphaCumprod: number;
  /** alphasCumprod at the end of the step. */
  readonly alphaCumprodPrev: number;
}

/**
 * The steps of a sampler that visits the schedule's own timesteps. Custom timesteps always lead to the next
 * one. finalAlphaCumprod is alphasCumprod at the end of the last step: 1 for a clean sample.
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
  const levels = timesteps.map((timestep, step) => ({
    timestep,
    alphaCumprod: alphasCumprod[timestep]!,
    // A timestep below 0 has no entry: it stands for the final level.
    alphaCumprodPrev: alphasCumprod[previous[step]!] ?? finalAlphaCumprod,
  }));
  return numberSteps(levels, options);
}

/** Leaves out the first startStep levels and numbers the others. */
export function numberSteps<Level>(
  levels: readonly Level[],
  { startStep = 0 }: SamplerOptions,
): (Level & Pick<PlannedStep, "step" | "steps">)[] {
  const left = levels.slice(requireInteger("startStep", startStep, 0, levels.length - 1));
  return left.map((level, step) => ({ ...level, step, steps: left.length }));
}

/** The sample that a plan starts from: a copy of xT, or the initialSample with xT as its noise. */
export function startSample(
  plan: readonly PlannedStep[],
  xT: Float32Array,
  { initialSample }: SamplerOptions,
): Float32Array {
  if (initialSample === undefined) return xT.slice();
  if (initialSample.length !== xT.length) {
    throw new UserError(
      `initialSample has ${initialSample.length} numbers and xT ${xT.length}; ` +
        `give them the same shape`,
    );
  }
  const { alphaCumprod } = plan[0]!;
  return combine([Math.sqrt(alphaCumprod), initialSample], [Math.sqrt(1 - alphaCumprod), xT]);
}
