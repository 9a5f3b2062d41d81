/** What samplers ask of their caller: the denoiser's opinion, and noise. Both answers are checked. */

import { usageError, UserError } from "../../base/errors.ts";
import { requireNumber } from "../../base/checks.ts";
import { epsilonCoefficients, x0Coefficients } from "../parameterisation.ts";
import type { Coefficients } from "../rows.ts";
import type { NoiseSchedule } from "../schedules.ts";
import { combine } from "./terms.ts";
import type { PlannedStep } from "./plan.ts";
import type { Denoiser, SamplerOptions } from "./types.ts";

/** Where in a loop the model was asked, for messages. */
export type Place = Pick<PlannedStep, "step" | "steps" | "timestep">;

function place({ step, steps, timestep }: Place): string {
  return `at step ${step + 1} of ${steps} (timestep ${timestep})`;
}

/** Clips x0 if the options say so; they do unless told otherwise. */
export function clip(x0: Float32Array, options: SamplerOptions): Float32Array {
  const { clipSample = true, clipSampleRange = 1 } = options;
  if (!clipSample) return x0;
  requireNumber("clipSampleRange", clipSampleRange, Number.MIN_VALUE);
  return x0.map((value) => Math.max(-clipSampleRange, Math.min(clipSampleRange, value)));
}

/** The two halves that a denoiser takes its input apart into. */
export interface Prediction {
  /** The clean samples, clipped if so set [B, ...]. */
  readonly x0: Float32Array;
  /**
   * The noise [B, ...]: of the model's output as it is, whatever was clipped, unless constrainX0 made
   * x0.
   */
  readonly epsilon: Float32Array;
}

/**
 * Returns a model's output for x if it has x's length and is finite.
 *
 * @throws {UserError} If not, naming the step.
 */
export function checkOutput(output: Float32Array, x: Float32Array, at: Place): Float32Array {
  if (output.length !== x.length) {
    throw new UserError(
      `the denoiser returned ${output.length} numbers for ${x.length} ${place(at)}; ` +
        `its output must have the shape of its input`,
    );
  }
  const bad = output.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new UserError(
      `the denoiser returned ${output[bad]} ${place(at)}; the model or its input is broken: ` +
        `try an earlier checkpoint`,
    );
  }
  return output;
}

/**
 * Asks the denoiser about x at a step.
 *
 * @param x [B, ...], flat.
 * @throws {UserError} If the answer has another length than x or holds a number that is not finite;
 * the message names the step.
 */
export async function askDenoiser(
  denoise: Denoiser,
  x: Float32Array,
  at: PlannedStep,
  schedule: NoiseSchedule,
  options: SamplerOptions,
): Promise<Prediction> {
  const output = checkOutput(await denoise(x, at.timestep), x, at);
  const { alphaCumprod } = at;
  const of = (values: Float32Array, [p, q]: Coefficients) => combine([p, values], [q, x]);
  const x0 = clip(of(output, x0Coefficients(schedule.predictionType, alphaCumprod)), options);
  if (options.constrainX0 === undefined) {
    const coefficients = epsilonCoefficients(schedule.predictionType, alphaCumprod);
    return { x0, epsilon: of(output, coefficients) };
  }
  const made = options.constrainX0(x0);
  if (made.length !== x.length) {
    throw new UserError(
      `constrainX0 returned ${made.length} numbers for ${x.length} ${place(at)}; ` +
        `it must keep the shape of x0`,
    );
  }
  return { x0: made, epsilon: of(made, epsilonCoefficients("sample", alphaCumprod)) };
}

/**
 * Asks for a step's noise.
 *
 * @returns [length]
 * @throws {UserError} If there is no source, or what it gave has another length.
 */
export function askNoise(options: SamplerOptions, length: number, at: PlannedStep): Float32Array {
  if (options.noise === undefined) {
    throw usageError(
      `the sampler needs noise ${place(at)}; give it a source of noise, or use ddim with eta 0`,
    );
  }
  const noise = options.noise(length, at.step);
  if (noise.length !== length) {
    throw new UserError(
      `the source of noise gave ${noise.length} numbers for ${length} ${place(at)}`,
    );
  }
  return noise;
}
