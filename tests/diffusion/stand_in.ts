/**
 * The dummy model and samples of diffusers' scheduler tests and of the reference values. Only sums of
 * magnitudes are compared, so the layout of the samples does not matter.
 */
import type { Denoiser } from "../../diffusion/samplers/types.ts";

/**
 * A model that returns x t / (t + 1), rounded to float32 after each operation as in the reference. Where
 * almost no signal is left, x0 depends on the last bit.
 */
export const standIn: Denoiser = (x, timestep) =>
  Promise.resolve(x.map((value) => Math.fround(value * timestep) / (timestep + 1)));

const SIZE = 768;

/** The sample: 0, 1/768, 2/768, ... */
export const ramp: Float32Array = Float32Array.from({ length: SIZE }, (_, i) => i / SIZE);

/** The noise: the sample in reverse. */
export const fallingRamp: Float32Array = ramp.slice().reverse();

/** The sum of the magnitudes. */
export function magnitude(values: Float32Array): number {
  return values.reduce((sum, value) => sum + Math.abs(value), 0);
}
