/**
 * Noise levels as sigma, the ratio of noise to signal: `sigma^2 = (1 - a) / a` with a = alphasCumprod.
 * With alpha = 1 / sqrt(1 + sigma^2), a sample is `x = alpha (x0 + sigma noise)`; DPM-Solver's half log
 * SNR is `lambda = -log sigma`.
 */
import { requireOneOf } from "../../base/checks.ts";
import { usageError } from "../../base/errors.ts";
import { roundHalfEven } from "../../base/rounding.ts";
import { x0Coefficients } from "../parameterisation.ts";
import type { NoiseSchedule } from "../schedules.ts";
import { continuousTimesteps, solverTimesteps } from "../timesteps.ts";
import { numberSteps, type PlannedStep } from "./plan.ts";
import { finalSigmasTypes, type SamplerOptions } from "./types.ts";

/** One step of a plan, with its noise levels as sigmas too. */
export interface SigmaStep extends PlannedStep {
  /** Noise over signal at the timestep, positive. */
  readonly sigma: number;
  /** Noise over signal at the end of the step; 0 for a clean sample. */
  readonly sigmaNext: number;
}

/**
 * The steps of a sampler that integrates over sigma, chosen as in diffusers.
 *
 * @param family "solver" is DPM-Solver++ and UniPC: {@linkcode solverTimesteps}; Karras and exponential
 * sigmas span the whole schedule, and their timesteps are rounded to integers. "continuous" is Euler and
 * Heun: {@linkcode continuousTimesteps}; Karras and exponential sigmas span the range of these timesteps.
 * (diffusers truncates the timesteps of exponential sigmas, and those of Karras sigmas of the cosine
 * schedule for DPM-Solver++ multistep, and rounds all others; here all are rounded.)
 */
export function planSigmas(
  schedule: NoiseSchedule,
  options: SamplerOptions,
  family: "solver" | "continuous",
): SigmaStep[] {
  const { numTrainTimesteps: T, alphasCumprod, predictionType } = schedule;
  const { finalSigmasType = "zero" } = options;
  requireOneOf("finalSigmasType", finalSigmasType, finalSigmasTypes);
  x0Coefficients(predictionType, alphasCumprod[T - 1]!); // throws if x0 is undetermined
  const table = alphasCumprod.map(sigmaOf);
  const solver = family === "solver";
  let timesteps = solver ? solverTimesteps(T, options) : continuousTimesteps(T, options);
  let sigmas = timesteps.map((timestep) => interpolate(table, timestep));
  let final = finalSigmasType === "zero" ? 0 : table[0]!;
  const spacing = sigmaSpacing(options);
  if (spacing !== undefined) {
    // diffusers' tables are float32, where 1 - alphasCumprod has a relative error of 2e-4 at timestep 0.
    // All sigmas depend on the smallest one, so the same rounding is applied here.
    const rounded = alphasCumprod.map((a) => sigmaOf(Math.fround(a)));
    const ends = (solver ? [T - 1, 0] : [timesteps[0]!, timesteps.at(-1)!])
      .map((timestep) => interpolate(rounded, timestep));
    if (final > 0) final = rounded[0]!; // so that a step from it has no length
    sigmas = spacing(ends[0]!, ends[1]!, sigmas.length);
    const logSigmas = rounded.map(Math.log);
    const round = solver ? roundHalfEven : Math.fround;
    timesteps = sigmas.map((sigma) => round(timestepOf(sigma, logSigmas)));
  }
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

/** Noise over signal as a function of the timestep in [0, T - 1], interpolated between integers. */
export function sigmaAt({ alphasCumprod }: NoiseSchedule): (timestep: number) => number {
  const table = alphasCumprod.map(sigmaOf);
  return (timestep) => interpolate(table, timestep);
}

/**
 * Noise levels whose rho-th roots are evenly spaced (Karras et al. 2022, "Elucidating the Design Space of
 * Diffusion-Based Generative Models", equation 5, without the final 0).
 *
 * @param count The number of levels, at least 1.
 * @returns [count], falling from sigmaMax to sigmaMin.
 */
export function karrasSigmas(sigmaMax: number, sigmaMin: number, count: number, rho = 7): number[] {
  const [high, low] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return between(sigmaMax, sigmaMin, count, (ramp) => (high + ramp * (low - high)) ** rho);
}

/**
 * Noise levels whose logarithms are evenly spaced.
 *
 * @param count The number of levels, at least 1.
 * @returns [count], falling from sigmaMax to sigmaMin.
 */
export function exponentialSigmas(sigmaMax: number, sigmaMin: number, count: number): number[] {
  return between(sigmaMax, sigmaMin, count, (ramp) => sigmaMax ** (1 - ramp) * sigmaMin ** ramp);
}

/** `count` values of `at` over [0, 1]; the ends are `first` and `last` without rounding errors. */
function between(
  first: number,
  last: number,
  count: number,
  at: (ramp: number) => number,
): number[] {
  return Array.from({ length: count }, (_, i) => {
    if (i === 0) return first;
    return i === count - 1 ? last : at(i / (count - 1));
  });
}

/** The spacing of sigmas that the options set, if any. */
function sigmaSpacing(options: SamplerOptions) {
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

/** Replaces an alphasCumprod of 0, so that sigma stays finite: diffusers' value. */
const PURE_NOISE = 2 ** -24;

function sigmaOf(alphaCumprod: number): number {
  const a = alphaCumprod === 0 ? PURE_NOISE : alphaCumprod;
  return Math.sqrt((1 - a) / a);
}

/** The timestep of a sigma, by linear interpolation of log sigma. */
function timestepOf(sigma: number, logSigmas: Float64Array): number {
  const log = Math.log(sigma);
  const above = logSigmas.findIndex((value) => value > log);
  const low = (above < 0 ? logSigmas.length - 1 : Math.max(above, 1)) - 1;
  const share = (log - logSigmas[low]!) / (logSigmas[low + 1]! - logSigmas[low]!);
  return low + Math.max(0, Math.min(1, share));
}

function interpolate(table: Float64Array, timestep: number): number {
  const low = Math.floor(timestep);
  const share = timestep - low;
  return share === 0 ? table[low]! : (1 - share) * table[low]! + share * table[low + 1]!;
}
