/** What samplers ask of their caller: the denoiser's opinion, and noise. Both answers are checked. */

import { usageError, UserError } from "../../engine/errors.ts";
import { requireNumber } from "../checks.ts";
import { predictEpsilon, predictX0 } from "../parameterisation.ts";
import type { NoiseSchedule } from "../schedules.ts";
import type { PlannedStep } from "./plan.ts";
import type { Denoiser, SamplerOptions } from "./types.ts";

function place({ step, steps, timestep }: PlannedStep): string {
  return `at step ${step + 1} of ${steps} (timestep ${timestep})`;
}

function clip(x0: Float32Array, options: SamplerOptions): Float32Array {
  const { clipSample = true, clipSampleRange = 1 } = options;
  if (!clipSample) return x0;
  requireNumber("clipSampleRange", clipSampleRange, Number.MIN_VALUE);
  return x0.map((value) => Math.max(-clipSampleRange, Math.min(clipSampleRange, value)));
}

/** The two halves that a denoiser takes its input apart into. */
export interface Prediction {
  /** The clean samples, clipped if so set [B, ...]. */
  readonly x0: Float32Array;
  /** The noise, from the model's output as it is, whatever was clipped [B, ...]. */
  readonly epsilon: Float32Array;
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
  const output = await denoise(x, at.timestep);
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
  return {
    x0: clip(predictX0(schedule, output, x, at.timestep), options),
    epsilon: predictEpsilon(schedule, output, x, at.timestep),
  };
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
