/** DPM-Solver++ (Lu et al. 2022, "DPM-Solver++: Fast Solver for Guided Sampling"), singlestep. */

import type { NoiseSchedule } from "../schedules.ts";
import { askDenoiser, askNoise } from "./ask.ts";
import { combine, type Term } from "./terms.ts";
import { startSample } from "./plan.ts";
import { planSigmas, type SigmaStep } from "./sigmas.ts";
import { solverOptions } from "./dpmpp_multistep.ts";
import { type SolverWeights, solverWeights } from "./solver_weights.ts";
import type { Denoiser, SamplerOptions, SamplerStep } from "./types.ts";

/** What the denoiser said since the group began. */
interface Stage {
  /** [B, ...] */
  readonly x0: Float32Array;
  readonly sigma: number;
}

/**
 * The order of every step: groups of 1, 2, ... solverOrder, each from the same start, and lower orders
 * for what is left over and for the end.
 */
function orders(
  plan: readonly SigmaStep[],
  solverOrder: number,
  lowerOrderFinal: boolean,
): number[] {
  const steps = plan.length;
  const clean = plan.at(-1)!.sigmaNext === 0;
  const whole = !lowerOrderFinal && !clean && steps % solverOrder === 0;
  const list = plan.map((_, i) => i % solverOrder + 1);
  // A last group that is full makes way for a shorter one and a step of order 1.
  if (!whole && solverOrder > 1 && steps % solverOrder === 0) list[steps - 1] = 1;
  if (clean) list[steps - 1] = 1; // nothing but x0 reaches a clean sample
  return list;
}

/** The terms of x0 since the group began, oldest first: derivatives there by differences. */
function x0Terms(group: readonly Stage[], w: SolverWeights, heun: boolean): Term[] {
  const [start, middle, last] = group;
  if (middle === undefined) return [[w.d0, start!.x0]];
  const r1 = Math.log(start!.sigma / middle.sigma) / w.h;
  if (last === undefined) {
    const slope = (heun ? w.d1 : w.d1Midpoint) / r1;
    return [[w.d0 - slope, start!.x0], [slope, middle.x0]];
  }
  const r0 = Math.log(start!.sigma / last.sigma) / w.h;
  if (!heun) return [[w.d0 - w.d1 / r0, start!.x0], [w.d1 / r0, last.x0]];
  // x0 through all three; d2 takes the second derivative.
  const near = (w.d1 * r0 - 2 * w.d2) / (r0 - r1) / r1;
  const far = (2 * w.d2 - w.d1 * r1) / (r0 - r1) / r0;
  return [[w.d0 - near - far, start!.x0], [near, middle.x0], [far, last.x0]];
}

/**
 * Samples as {@linkcode dpmppMultistep}, but as a Runge-Kutta method does: in groups of as many network
 * evaluations as the order, each of which solves anew from the group's start (algorithm 1 for order 2).
 * Every evaluation counts as a step and leads to a lower noise level. Order 3 of solverType "midpoint"
 * is of third order only where the group's steps are equally long in log sigma; "heun" always is.
 * With noise every evaluation draws its own, as in diffusers, which leaves order 1: there multistep is
 * better.
 *
 * @param denoise The model.
 * @param xT Standard normal numbers [B, ...], flat; not changed.
 * @param schedule The schedule that the model was trained with.
 * @param options `noise` is needed if algorithmType is "sde-dpmsolver++".
 * @throws {UserError} If an option is out of range, or the denoiser's output has the wrong length or
 * is not finite.
 */
export async function* dpmppSinglestep(
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options: SamplerOptions = {},
): AsyncGenerator<SamplerStep, void, undefined> {
  const { solverOrder, stochastic, heun } = solverOptions(options);
  const plan = planSigmas(schedule, options, "solver");
  const orderOf = orders(plan, solverOrder, options.lowerOrderFinal ?? true);
  let group: Stage[] = [];
  let x = startSample(plan, xT, options);
  let start = x;
  for (const at of plan) {
    const { x0 } = await askDenoiser(denoise, x, at, schedule, options);
    if (orderOf[at.step] === 1) [group, start] = [[], x];
    group.push({ x0, sigma: at.sigma });
    const weights = solverWeights(group[0]!.sigma, at.sigmaNext, stochastic);
    const terms: Term[] = [[weights.x, start], ...x0Terms(group, weights, heun)];
    if (weights.noise > 0) terms.push([weights.noise, askNoise(options, x.length, at)]);
    x = combine(...terms);
    yield { step: at.step, timestep: at.timestep, sample: x.slice(), predictedX0: x0.slice() };
  }
}
