/**
 * Plans of noise levels sigma, the ratio of noise to signal: `sigma^2 = (1 - a) / a` with a =
 * alphasCumprod. With signal alpha = 1 / sqrt(1 + sigma^2), a sample `x = alpha (x0 + sigma noise)`, and
 * DPM-Solver's half log SNR is `lambda = -log sigma`.
 */

import { usageError } from "../../base/errors.ts";
import { requireOneOf } from "../../base/checks.ts";
import { roundHalfEven } from "../../base/rounding.ts";
import type { NoiseSchedule } from "../schedules.ts";
import { continuousTimesteps, solverTimesteps } from "../timesteps.ts";
import { numberSteps, type PlannedStep } from "./plan.ts";
import { finalSigmasTypes, type SamplerOptions } from "./types.ts";

/** One step of a plan, its noise levels as sigmas too. */
export interface SigmaStep extends PlannedStep {
  /** Noise over signal at the timestep, positive. */
  readonly sigma: number;
  /** Noise over signal where the step leads; 0 for a clean sample. */
  readonly sigmaNext: number;
}

/** Stands for an alphasCumprod of 0, so that sigma stays finite: diffusers' value. */
const PURE_NOISE = 2 ** -24;

function sigmaOf(alphaCumprod: number): number {
  const a = alphaCumprod === 0 ? PURE_NOISE : alphaCumprod;
  return Math.sqrt((1 - a) / a);
}

function between(first: number, last: number, count: number, at: (ramp: number) => number) {
  return Array.from({ length: count }, (_, i) => {
    if (i === 0) return first;
    return i === count - 1 ? last : at(i / (count - 1)); // both ends to the last bit
  });
}

/**
 * Noise levels whose rho-th roots are equally far apart (Karras et al. 2022, "Elucidating the Design
 * Space of Diffusion-Based Generative Models", equation 5, without the 0 at the end).
 *
 * @param count How many, at least 1.
 * @returns [count], falling from sigmaMax to sigmaMin.
 */
export function karrasSigmas(sigmaMax: number, sigmaMin: number, count: number, rho = 7): number[] {
  const [high, low] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return between(sigmaMax, sigmaMin, count, (ramp) => (high + ramp * (low - high)) ** rho);
}

/**
 * Noise levels whose logarithms are equally far apart.
 *
 * @param count How many, at least 1.
 * @returns [count], falling from sigmaMax to sigmaMin.
 */
export function exponentialSigmas(sigmaMax: number, sigmaMin: number, count: number): number[] {
  return between(sigmaMax, sigmaMin, count, (ramp) => sigmaMax ** (1 - ramp) * sigmaMin ** ramp);
}

function interpolate(table: Float64Array, timestep: number): number {
  const low = Math.floor(timestep);
  const share = timestep - low;
  return share === 0 ? table[low]! : (1 - share) * table[low]! + share * table[low + 1]!;
}

/** Noise over signal at a timestep in [0, T - 1]; between two of them, it is interpolated. */
export function sigmaAt({ alphasCumprod }: NoiseSchedule): (timestep: number) => number {
  const table = alphasCumprod.map(sigmaOf);
  return (timestep) => interpolate(table, timestep);
}

/** The timestep of a sigma, by interpolating logarithms. */
function timestepOf(sigma: number, logSigmas: Float64Array): number {
  const log = Math.log(sigma);
  const above = logSigmas.findIndex((value) => value > log);
  const low = (above < 0 ? logSigmas.length - 1 : Math.max(above, 1)) - 1;
  const share = (log - logSigmas[low]!) / (logSigmas[low + 1]! - logSigmas[low]!);
  return low + Math.max(0, Math.min(1, share));
}

/** The spacing that the options ask for, if they do. */
function spacingOf(options: SamplerOptions) {
  const { useKarrasSigmas = false, useExponentialSigmas = false, timesteps } = options;
  if (!useKarrasSigmas && !useExponentialSigmas) return undefined;
  const name = useKarrasSigmas ? "useKarrasSigmas" : "useExponentialSigmas";
  if (useKarrasSigmas && useExponentialSigmas) {
    throw usageError("useKarrasSigmas and useExponentialSigmas were both set; set one of the two");
  }
  if (timesteps !== undefined) {
    throw usageError(`timesteps and ${name} were both given; give one of the two`);
  }
  return useKarrasSigmas ? karrasSigmas : exponentialSigmas;
}

/**
 * The steps of a sampler that walks sigmas, as diffusers chooses them.
 *
 * @param family "solver": as DPM-Solver++ and UniPC, from {@linkcode solverTimesteps}; Karras and
 * exponential sigmas span the whole schedule, and their timesteps are rounded to integers. "continuous":
 * as Euler and Heun, from {@linkcode continuousTimesteps}; Karras and exponential sigmas span those of
 * the timesteps. (diffusers rounds all but exponential sigmas' timesteps, which it cuts off, and those of
 * Karras sigmas of the cosine schedule for DPM-Solver++ multistep; here they are rounded alike.)
 * @throws {UserError} As {@linkcode solverTimesteps}; if two spacings are asked for at once; or if the
 * schedule ends in pure noise and the denoiser predicts noise.
 */
export function planSigmas(
  schedule: NoiseSchedule,
  options: SamplerOptions,
  family: "solver" | "continuous",
): SigmaStep[] {
  const { numTrainTimesteps: T, alphasCumprod, predictionType } = schedule;
  const { finalSigmasType = "zero" } = options;
  requireOneOf("finalSigmasType", finalSigmasType, finalSigmasTypes);
  if (predictionType === "epsilon" && alphasCumprod[T - 1] === 0) {
    throw usageError(
      "an epsilon prediction gives no x0 where alphasCumprod is 0 (zero terminal SNR): " +
        "use predictionType v_prediction or sample",
    );
  }
  const table = alphasCumprod.map(sigmaOf);
  const solver = family === "solver";
  let timesteps = solver ? solverTimesteps(T, options) : continuousTimesteps(T, options);
  let sigmas = timesteps.map((timestep) => interpolate(table, timestep));
  const space = spacingOf(options);
  if (space !== undefined) {
    // diffusers' tables are float32, in which 1 - alphasCumprod is off by 2e-4 of itself at timestep 0. The
    // least sigma sets all others here, so it is taken as it is there.
    const rounded = alphasCumprod.map((a) => sigmaOf(Math.fround(a)));
    const ends = (solver ? [T - 1, 0] : [timesteps[0]!, timesteps.at(-1)!])
      .map((timestep) => interpolate(rounded, timestep));
    sigmas = space(ends[0]!, ends[1]!, sigmas.length);
    const logSigmas = rounded.map(Math.log);
    const settle = solver ? roundHalfEven : Math.fround;
    timesteps = sigmas.map((sigma) => settle(timestepOf(sigma, logSigmas)));
  }
  const final = finalSigmasType === "zero" ? 0 : table[0]!;
  const levels = sigmas.map((sigma, i) => {
    const sigmaNext = sigmas[i + 1] ?? final;
    return {
      timestep: timesteps[i]!,
      sigma,
      sigmaNext,
      alphaCumprod: 1 / (1 + sigma ** 2),
      alphaCumprodPrev: 1 / (1 + sigmaNext ** 2),
    };
  });
  return numberSteps(levels, options);
}
