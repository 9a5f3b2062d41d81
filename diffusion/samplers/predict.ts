/** Calls of the denoiser and of the noise source within a sampler, with checks of the results. */
import { requireNumber } from "../../base/checks.ts";
import { usageError, UserError } from "../../base/errors.ts";
import { epsilonCoefficients, x0Coefficients } from "../parameterisation.ts";
import type { NoiseSchedule } from "../schedules.ts";
import type { PlannedStep } from "./plan.ts";
import { combine } from "./terms.ts";
import type { Denoiser, SamplerOptions } from "./types.ts";

type StepPosition = Pick<PlannedStep, "step" | "steps" | "timestep">;

/**
 * Calls the denoiser on x [B, ...] and converts its output to x0, after clipping and constrainX0, and
 * epsilon. epsilon follows from the output without clipping; if constrainX0 is set, from its result.
 */
export async function predict(
  denoise: Denoiser,
  x: Float32Array,
  at: PlannedStep,
  schedule: NoiseSchedule,
  options: SamplerOptions,
): Promise<{ x0: Float32Array; epsilon: Float32Array }> {
  const { predictionType } = schedule;
  const output = checkOutput(await denoise(x, at.timestep), x, at);
  const [p, q] = x0Coefficients(predictionType, at.alphaCumprod);
  const x0 = clip(combine([p, output], [q, x]), options);
  if (options.constrainX0 === undefined) {
    const [p, q] = epsilonCoefficients(predictionType, at.alphaCumprod);
    return { x0, epsilon: combine([p, output], [q, x]) };
  }
  const constrained = options.constrainX0(x0);
  if (constrained.length !== x.length) {
    throw new UserError(
      `constrainX0 returned ${constrained.length} numbers for ${x.length} ${describe(at)}; ` +
        `it must keep the shape of x0`,
    );
  }
  return { x0: constrained, epsilon: epsilonOf(constrained, x, at) };
}

/** The noise that is left of x when x0 is given: [B, ...]. */
export function epsilonOf(x0: Float32Array, x: Float32Array, at: PlannedStep): Float32Array {
  const [p, q] = epsilonCoefficients("sample", at.alphaCumprod);
  return combine([p, x0], [q, x]);
}

/** Clips x0 unless the options turn it off. */
export function clip(x0: Float32Array, options: SamplerOptions): Float32Array {
  const { clipSample = true, clipSampleRange = 1 } = options;
  if (!clipSample) return x0;
  requireNumber("clipSampleRange", clipSampleRange, Number.MIN_VALUE);
  return x0.map((value) => Math.max(-clipSampleRange, Math.min(clipSampleRange, value)));
}

/** Throws if a model's output has another length than x or is not finite, and returns it. */
export function checkOutput(output: Float32Array, x: Float32Array, at: StepPosition): Float32Array {
  if (output.length !== x.length) {
    throw new UserError(
      `the denoiser returned ${output.length} numbers for ${x.length} ${describe(at)}; ` +
        `its output must have the shape of its input`,
    );
  }
  const bad = output.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new UserError(
      `the denoiser returned ${output[bad]} ${describe(at)}; the model or its input is broken: ` +
        `try an earlier checkpoint`,
    );
  }
  return output;
}

export function stepNoise(options: SamplerOptions, length: number, at: PlannedStep): Float32Array {
  if (options.noise === undefined) {
    throw usageError(
      `the sampler needs noise ${describe(at)}; set the option noise, or use ddim with eta 0`,
    );
  }
  const noise = options.noise(length, at.step);
  if (noise.length !== length) {
    throw new UserError(
      `the option noise returned ${noise.length} numbers for ${length} ${describe(at)}`,
    );
  }
  return noise;
}

function describe({ step, steps, timestep }: StepPosition): string {
  return `at step ${step + 1} of ${steps} (timestep ${timestep})`;
}
