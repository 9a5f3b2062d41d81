/** Euler's method for rectified flow (Liu et al. 2023, "Flow Straight and Fast"). */
import { requireNumber } from "../../base/checks.ts";
import type { NoiseSchedule } from "../schedules.ts";
import { inferenceTimesteps } from "../timesteps.ts";
import { numberSteps } from "./plan.ts";
import { checkOutput, clip } from "./predict.ts";
import { combine } from "./terms.ts";
import type { Denoiser, SamplerOptions, SamplerSteps } from "./types.ts";

/**
 * Samples from a model of the velocity `noise - x0` on the straight paths `x = (1 - s) x0 + s noise`, from
 * s = 1 to 0. The levels are evenly spaced from 1 to 1 / T, then 0, as in diffusers'
 * FlowMatchEulerDiscreteScheduler; `flowShift` maps s to `flowShift s / (1 + (flowShift - 1) s)`.
 *
 * @param velocity The model. Its timestep is s T, in (0, T]; it returns the velocity [B, ...], flat.
 * @param xT Standard normal numbers [B, ...], flat; not changed.
 * @param schedule Only its T is used.
 * @param options Of the settings of timesteps, only numInferenceSteps is used.
 * @throws {UserError} If an option is out of range, or the model's output has the wrong length or is not
 * finite.
 */
export async function* flowEuler(
  velocity: Denoiser,
  xT: Float32Array,
  { numTrainTimesteps: T }: Pick<NoiseSchedule, "numTrainTimesteps">,
  options: SamplerOptions = {},
): SamplerSteps {
  const { numInferenceSteps = T, flowShift = 1 } = options;
  requireNumber("flowShift", flowShift, Number.MIN_VALUE);
  const S = inferenceTimesteps(T, { numInferenceSteps }).length; // checks both
  const levels = Array.from({ length: S }, (_, i) => {
    const s = S === 1 ? 1 : 1 - (i / (S - 1)) * (1 - 1 / T);
    return { s: flowShift * s / (1 + (flowShift - 1) * s) };
  });
  const plan = numberSteps(levels, options);
  const { initialSample } = options;
  const s0 = plan[0]!.s;
  let x = initialSample === undefined ? xT.slice() : combine([1 - s0, initialSample], [s0, xT]);
  for (const at of plan) {
    const { s, step } = at;
    const timestep = s * T;
    const v = checkOutput(await velocity(x, timestep), x, { ...at, timestep });
    const predicted = clip(combine([1, x], [-s, v]), options);
    const x0 = options.constrainX0?.(predicted) ?? predicted;
    // x + (next - s) v with v = (x - x0) / s
    const next = plan[step + 1]?.s ?? 0;
    x = combine([next / s, x], [1 - next / s, x0]);
    yield { step, timestep, sample: x.slice(), predictedX0: x0.slice() };
  }
}
