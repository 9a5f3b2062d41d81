/** DPM-Solver++ (Lu et al. 2022, "DPM-Solver++: Fast Solver for Guided Sampling"), singlestep. */
import { type PastPrediction, solverOptions } from "./dpmpp_multistep.ts";
import { startSample } from "./plan.ts";
import { predict, stepNoise } from "./predict.ts";
import { planSigmas, type SigmaStep } from "./sigmas.ts";
import { type SolverWeights, solverWeights } from "./solver_weights.ts";
import { combine, type Term } from "./terms.ts";
import type { Sampler, SamplerSteps } from "./types.ts";

/**
 * Samples as {@linkcode dpmppMultistep}, but like a Runge-Kutta method: in groups of solverOrder network
 * evaluations, which all start from the group's first sample (algorithm 1 for order 2). Every evaluation
 * is a step and leads to a lower noise level. Order 3 with solverType "midpoint" is of third
 * order only if the steps of a group have equal length in log sigma; with "heun" it always is. With noise
 * every evaluation adds its own, as in diffusers, which reduces the order to 1: multistep is then better.
 *
 * @param options `noise` is required if algorithmType is "sde-dpmsolver++".
 */
export const dpmppSinglestep: Sampler = async function* (
  denoise,
  xT,
  schedule,
  options = {},
): SamplerSteps {
  const { solverOrder, stochastic, heun } = solverOptions(options);
  const plan = planSigmas(schedule, options, "solver");
  const orders = stepOrders(plan, solverOrder, options.lowerOrderFinal ?? true);
  let group: PastPrediction[] = [];
  let x = startSample(plan, xT, options);
  let start = x;
  for (const at of plan) {
    const { x0 } = await predict(denoise, x, at, schedule, options);
    if (orders[at.step] === 1) [group, start] = [[], x];
    group.push({ x0, sigma: at.sigma });
    const weights = solverWeights(group[0]!.sigma, at.sigmaNext, stochastic);
    const terms: Term[] = [[weights.x, start], ...x0Terms(group, weights, heun)];
    if (weights.noise > 0) terms.push([weights.noise, stepNoise(options, x.length, at)]);
    x = combine(...terms);
    yield { step: at.step, timestep: at.timestep, sample: x.slice(), predictedX0: x0.slice() };
  }
};

/** The order of each step: 1 to solverOrder in a group, lower for an incomplete group and at the end. */
function stepOrders(
  plan: readonly SigmaStep[],
  solverOrder: number,
  lowerOrderFinal: boolean,
): number[] {
  const steps = plan.length;
  const clean = plan.at(-1)!.sigmaNext === 0;
  const whole = !lowerOrderFinal && !clean && steps % solverOrder === 0;
  const orders = plan.map((_, i) => i % solverOrder + 1);
  // A complete last group is replaced by a shorter one and a step of order 1.
  if (!whole && solverOrder > 1 && steps % solverOrder === 0) orders[steps - 1] = 1;
  if (clean) orders[steps - 1] = 1; // a clean sample is x0 alone
  return orders;
}

/** The terms of the group's predictions of x0, oldest first: derivatives by finite differences. */
function x0Terms(
  group: readonly PastPrediction[],
  weights: SolverWeights,
  heun: boolean,
): Term[] {
  const [start, middle, last] = group;
  if (middle === undefined) return [[weights.d0, start!.x0]];
  const r1 = Math.log(start!.sigma / middle.sigma) / weights.h;
  if (last === undefined) {
    const slope = (heun ? weights.d1 : weights.d1Midpoint) / r1;
    return [[weights.d0 - slope, start!.x0], [slope, middle.x0]];
  }
  const r0 = Math.log(start!.sigma / last.sigma) / weights.h;
  if (!heun) {
    return [[weights.d0 - weights.d1 / r0, start!.x0], [weights.d1 / r0, last.x0]];
  }
  // A parabola through all three predictions; d2 multiplies the second derivative.
  const near = (weights.d1 * r0 - 2 * weights.d2) / (r0 - r1) / r1;
  const far = (2 * weights.d2 - weights.d1 * r1) / (r0 - r1) / r0;
  return [[weights.d0 - near - far, start!.x0], [near, middle.x0], [far, last.x0]];
}
