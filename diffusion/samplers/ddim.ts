/** Implicit sampling (Song et al. 2021, "Denoising Diffusion Implicit Models"). */
import { requireNumber, requireOneOf } from "../../base/checks.ts";
import { posterior } from "../posterior.ts";
import { previousTimestepRules } from "../timesteps.ts";
import { planSteps, startSample } from "./plan.ts";
import { epsilonOf, predict, stepNoise } from "./predict.ts";
import type { Sampler, SamplerSteps } from "./types.ts";

/**
 * Samples by splitting x_t into x0 and noise and combining both at a lower noise level. With eta 0 the
 * result depends on xT alone; with eta 1 and all T steps it is {@linkcode ddpm} with "fixed_small".
 *
 * @param options `noise` is required if eta is above 0.
 */
export const ddim: Sampler = async function* (denoise, xT, schedule, options = {}): SamplerSteps {
  const { eta = 0, setAlphaToOne = true, previousTimestep = "stride" } = options;
  const { useClippedModelOutput = false } = options;
  requireNumber("eta", eta, 0, 1);
  requireOneOf("previousTimestep", previousTimestep, previousTimestepRules);
  const finalAlphaCumprod = setAlphaToOne ? 1 : schedule.alphasCumprod[0]!;
  const plan = planSteps(schedule, options, previousTimestep, finalAlphaCumprod);
  let x = startSample(plan, xT, options);
  for (const at of plan) {
    const { alphaCumprod, alphaCumprodPrev } = at;
    const predicted = await predict(denoise, x, at, schedule, options);
    const { x0 } = predicted;
    const epsilon = useClippedModelOutput ? epsilonOf(x0, x, at) : predicted.epsilon;
    // Equation 16: eta times the posterior's standard deviation; 0 for a step to the clean sample.
    const sigma = eta * Math.sqrt(posterior(alphaCumprod, alphaCumprodPrev).variance);
    // Equation 12: predicted x0, direction pointing to x_t, random noise. Rounding may make the root's
    // argument negative.
    const signal = Math.sqrt(alphaCumprodPrev);
    const direction = Math.sqrt(Math.max(0, 1 - alphaCumprodPrev - sigma ** 2));
    x = x0.map((value, i) => signal * value + direction * epsilon[i]!);
    if (sigma > 0) {
      const z = stepNoise(options, x.length, at);
      x = x.map((mean, i) => mean + sigma * z[i]!);
    }
    yield { step: at.step, timestep: at.timestep, sample: x.slice(), predictedX0: x0 };
  }
};
