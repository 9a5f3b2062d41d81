/** Ancestral sampling (Ho et al. 2020, "Denoising Diffusion Probabilistic Models", algorithm 2). */
import { requireOneOf } from "../../base/checks.ts";
import { usageError } from "../../base/errors.ts";
import { learnedLogVariance, splitLearnedVariance, varianceRange } from "../learned_variance.ts";
import { posterior, stepVariance, varianceTypes } from "../posterior.ts";
import { planSteps, startSample } from "./plan.ts";
import { checkOutput, predict, stepNoise } from "./predict.ts";
import type { Denoiser, Sampler, SamplerSteps } from "./types.ts";

/**
 * Samples each x_s from q(x_s | x_t, x0) with the predicted x0. If timesteps are skipped, the posterior
 * is the one between the remaining timesteps.
 *
 * The last step, to the clean sample, adds no noise (algorithm 2, line 3), whatever the varianceType and
 * the last timestep. diffusers adds noise there if the last timestep is not 0, which makes a difference
 * for "fixed_large" and "learned_range".
 *
 * @param options `noise` is required if there is more than one step.
 */
export const ddpm: Sampler = async function* (denoise, xT, schedule, options = {}): SamplerSteps {
  const { varianceType = "fixed_small", channels } = options;
  requireOneOf("varianceType", varianceType, varianceTypes);
  if (varianceType === "learned_range" && channels === undefined) {
    throw usageError(
      "varianceType learned_range needs channels, the size of the samples' last axis",
    );
  }
  const plan = planSteps(schedule, options, "next", 1);
  let x = startSample(plan, xT, options);
  for (const at of plan) {
    const { alphaCumprod, alphaCumprodPrev } = at;
    let v: Float32Array | undefined;
    const denoiseX: Denoiser = async (x, timestep) => {
      const output = await denoise(x, timestep);
      if (varianceType !== "learned_range") return output;
      const parts = splitLearnedVariance(output, channels!);
      v = checkOutput(parts.v, x, at);
      return parts.prediction;
    };
    const { x0 } = await predict(denoiseX, x, at, schedule, options);
    // Equation 7: the mean of q(x_s | x_t, x0).
    const { x0Coefficient, xtCoefficient } = posterior(alphaCumprod, alphaCumprodPrev);
    let next = x.map((value, i) => x0Coefficient * x0[i]! + xtCoefficient * value);
    if (at.step < at.steps - 1) {
      const z = stepNoise(options, x.length, at);
      if (varianceType === "learned_range") {
        const range = varianceRange(alphaCumprod, alphaCumprodPrev);
        next = next.map((mean, i) =>
          mean + Math.exp(learnedLogVariance(v![i]!, range) / 2) * z[i]!
        );
      } else {
        const sigma = Math.sqrt(stepVariance(alphaCumprod, alphaCumprodPrev, varianceType));
        next = next.map((mean, i) => mean + sigma * z[i]!);
      }
    }
    x = next;
    yield { step: at.step, timestep: at.timestep, sample: x.slice(), predictedX0: x0 };
  }
};
