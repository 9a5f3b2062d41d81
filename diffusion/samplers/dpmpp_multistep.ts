/** DPM-Solver++ (Lu et al. 2022, "DPM-Solver++: Fast Solver for Guided Sampling"), multistep. */
import type { NoiseSchedule } from "../schedules.ts";
import { askDenoiser, askNoise } from "./ask.ts";
import { combine, type Term } from "./terms.ts";
import { startSample } from "./plan.ts";
import { planSigmas } from "./sigmas.ts";
import { type SolverWeights, solverWeights } from "./solver_weights.ts";
import {
  algorithmTypes,
  type Denoiser,
  type SamplerOptions,
  type SamplerStep,
  solverTypes,
} from "./types.ts";
import { requireInteger, requireOneOf } from "../../base/checks.ts";

/** What the denoiser said at an earlier step. */
interface Past {
  /** [B, ...] */
  readonly x0: Float32Array;
  readonly sigma: number;
}

/** The terms of x0 now and before, newest first: a Taylor series with differences for derivatives. */
function x0Terms(
  past: readonly Past[],
  w: SolverWeights,
  { heun, fullThirdOrder }: { heun: boolean; fullThirdOrder: boolean },
): Term[] {
  const [now, before, earlier] = past;
  if (before === undefined) return [[w.d0, now!.x0]];
  const r0 = Math.log(before.sigma / now!.sigma) / w.h;
  if (earlier === undefined) {
    const slope = (heun ? w.d1 : w.d1Midpoint) / r0;
    return [[w.d0 + slope, now!.x0], [-slope, before.x0]];
  }
  const r1 = Math.log(earlier.sigma / before.sigma) / w.h;
  // x0 = D0 + D1 u + D2 u^2 in u = (lambda - lambda_now) / h; D2 is half the second derivative.
  const d2 = w.d2 * (fullThirdOrder ? 2 : 1);
  const curve = (w.d1 * r0 + d2) / (r0 + r1);
  const [near, far] = [(w.d1 + curve) / r0, curve / r1];
  return [[w.d0 + near, now!.x0], [-near - far, before.x0], [far, earlier.x0]];
}

/**
 * Samples by solving the probability-flow equation, or its counterpart with noise, with x0 taken for a
 * polynomial in the half log SNR through the last steps' predictions: one network evaluation a step,
 * whatever the order (algorithm 2). Order 1 is {@linkcode ddim}, with noise ddpm's "fixed_small".
 *
 * @param denoise The model.
 * @param xT Standard normal numbers [B, ...], flat; not changed.
 * @param schedule The schedule that the model was trained with.
 * @param options `noise` is needed if algorithmType is "sde-dpmsolver++".
 * @throws {UserError} If an option is out of range, or the denoiser's output has the wrong length or
 * is not finite.
 */
export async function* dpmppMultistep(
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options: SamplerOptions = {},
): AsyncGenerator<SamplerStep, void, undefined> {
  const { solverOrder, stochastic, heun } = solverOptions(options);
  const { lowerOrderFinal = true, eulerAtFinal = false, fullThirdOrder = false } = options;
  const plan = planSigmas(schedule, options, "solver");
  const lower = lowerOrderFinal && plan.length < 15; // stabler in few steps: section 4.2
  let past: Past[] = [];
  let x = startSample(plan, xT, options);
  for (const at of plan) {
    const { sigma, sigmaNext } = at;
    const { x0 } = await askDenoiser(denoise, x, at, schedule, options);
    past = [{ x0, sigma }, ...past].slice(0, solverOrder);
    const left = plan.length - at.step;
    // Nothing but x0 reaches a clean sample, and a step of length 0 has no slope.
    const single = sigmaNext === 0 || sigmaNext === sigma ||
      (left === 1 && (lower || eulerAtFinal));
    const order = single ? 1 : left === 2 && lower ? 2 : 3;
    const weights = solverWeights(sigma, sigmaNext, stochastic);
    const ofX0 = x0Terms(past.slice(0, order), weights, { heun, fullThirdOrder });
    const terms: Term[] = [[weights.x, x], ...ofX0];
    if (weights.noise > 0) terms.push([weights.noise, askNoise(options, x.length, at)]);
    x = combine(...terms);
    yield { step: at.step, timestep: at.timestep, sample: x.slice(), predictedX0: x0.slice() };
  }
}

/**
 * {@linkcode dpmppMultistep} of the equation with noise (Lu et al. 2022, "DPM-Solver++", section 5).
 *
 * @param denoise The model.
 * @param xT Standard normal numbers [B, ...], flat; not changed.
 * @param schedule The schedule that the model was trained with.
 * @param options `noise` is needed if there is more than one step; algorithmType is of no account.
 * @throws {UserError} As {@linkcode dpmppMultistep}.
 */
export function dpmppSde(
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options: SamplerOptions = {},
): AsyncGenerator<SamplerStep, void, undefined> {
  return dpmppMultistep(denoise, xT, schedule, { ...options, algorithmType: "sde-dpmsolver++" });
}

/** The options, checked. */
export interface CheckedSolverOptions {
  /** 1 to 3. */
  readonly solverOrder: number;
  /** Whether noise is added. */
  readonly stochastic: boolean;
  /** Whether derivatives are taken as Heun's method takes them, rather than the midpoint method. */
  readonly heun: boolean;
}

/**
 * Checks the options of DPM-Solver++ and fills in their defaults.
 *
 * @throws {UserError} If one is out of range.
 */
export function solverOptions(
  { solverOrder = 2, algorithmType = "dpmsolver++", solverType = "midpoint" }: SamplerOptions,
): CheckedSolverOptions {
  requireInteger("solverOrder", solverOrder, 1, 3);
  requireOneOf("solverType", solverType, solverTypes);
  requireOneOf("algorithmType", algorithmType, algorithmTypes);
  return {
    solverOrder,
    stochastic: algorithmType === "sde-dpmsolver++",
    heun: solverType === "heun",
  };
}
