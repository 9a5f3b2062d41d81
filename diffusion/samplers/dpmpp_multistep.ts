/** DPM-Solver++ (Lu et al. 2022, "DPM-Solver++: Fast Solver for Guided Sampling"), multistep. */
import { requireInteger, requireOneOf } from "../../base/checks.ts";
import { startSample } from "./plan.ts";
import { predict, stepNoise } from "./predict.ts";
import { planSigmas } from "./sigmas.ts";
import { type SolverWeights, solverWeights } from "./solver_weights.ts";
import { combine, type Term } from "./terms.ts";
import {
  algorithmTypes,
  type Sampler,
  type SamplerOptions,
  type SamplerSteps,
  solverTypes,
} from "./types.ts";

/** The prediction of a step. */
export interface PastPrediction {
  /** [B, ...] */
  readonly x0: Float32Array;
  readonly sigma: number;
}

/**
 * Samples by solving the probability-flow equation, or its stochastic counterpart. x0 is approximated by
 * a polynomial in the half log SNR through the predictions of the last steps, so every order takes one
 * network evaluation per step (algorithm 2). Order 1 is {@linkcode ddim}, with noise it is ddpm with
 * "fixed_small".
 *
 * @param options `noise` is required if algorithmType is "sde-dpmsolver++".
 */
export const dpmppMultistep: Sampler = async function* (
  denoise,
  xT,
  schedule,
  options = {},
): SamplerSteps {
  const { solverOrder, stochastic, heun } = solverOptions(options);
  const { lowerOrderFinal = true, eulerAtFinal = false, fullThirdOrder = false } = options;
  const plan = planSigmas(schedule, options, "solver");
  const lower = lowerOrderFinal && plan.length < 15; // more stable with few steps: section 4.2
  let past: PastPrediction[] = [];
  let x = startSample(plan, xT, options);
  for (const at of plan) {
    const { sigma, sigmaNext } = at;
    const { x0 } = await predict(denoise, x, at, schedule, options);
    past = [{ x0, sigma }, ...past].slice(0, solverOrder);
    const left = plan.length - at.step;
    // A clean sample is x0 alone, and a step of length 0 has no slope.
    const single = sigmaNext === 0 || sigmaNext === sigma ||
      (left === 1 && (lower || eulerAtFinal));
    const order = single ? 1 : left === 2 && lower ? 2 : 3;
    const weights = solverWeights(sigma, sigmaNext, stochastic);
    const ofX0 = x0Terms(past.slice(0, order), weights, heun, fullThirdOrder);
    const terms: Term[] = [[weights.x, x], ...ofX0];
    if (weights.noise > 0) terms.push([weights.noise, stepNoise(options, x.length, at)]);
    x = combine(...terms);
    yield { step: at.step, timestep: at.timestep, sample: x.slice(), predictedX0: x0.slice() };
  }
};

/**
 * {@linkcode dpmppMultistep} for the stochastic equation (Lu et al. 2022, "DPM-Solver++", section 5).
 *
 * @param options `noise` is required if there is more than one step; algorithmType is ignored.
 */
export const dpmppSde: Sampler = (denoise, xT, schedule, options): SamplerSteps =>
  dpmppMultistep(denoise, xT, schedule, { ...options, algorithmType: "sde-dpmsolver++" });

/** Checks the options of DPM-Solver++ and fills in their defaults. */
export function solverOptions(
  { solverOrder = 2, algorithmType = "dpmsolver++", solverType = "midpoint" }: SamplerOptions,
) {
  requireInteger("solverOrder", solverOrder, 1, 3);
  requireOneOf("solverType", solverType, solverTypes);
  requireOneOf("algorithmType", algorithmType, algorithmTypes);
  return {
    solverOrder,
    stochastic: algorithmType === "sde-dpmsolver++",
    heun: solverType === "heun",
  };
}

/** The terms of the last predictions of x0, newest first: a Taylor series with finite differences. */
function x0Terms(
  past: readonly PastPrediction[],
  weights: SolverWeights,
  heun: boolean,
  fullThirdOrder: boolean,
): Term[] {
  const [now, before, earlier] = past;
  if (before === undefined) return [[weights.d0, now!.x0]];
  const r0 = Math.log(before.sigma / now!.sigma) / weights.h;
  if (earlier === undefined) {
    const slope = (heun ? weights.d1 : weights.d1Midpoint) / r0;
    return [[weights.d0 + slope, now!.x0], [-slope, before.x0]];
  }
  const r1 = Math.log(earlier.sigma / before.sigma) / weights.h;
  // x0 = D0 + D1 u + D2 u^2 with u = (lambda - lambda_now) / h; D2 is half the second derivative.
  const d2 = weights.d2 * (fullThirdOrder ? 2 : 1);
  const curve = (weights.d1 * r0 + d2) / (r0 + r1);
  const [near, far] = [(weights.d1 + curve) / r0, curve / r1];
  return [[weights.d0 + near, now!.x0], [-near - far, before.x0], [far, earlier.x0]];
}
