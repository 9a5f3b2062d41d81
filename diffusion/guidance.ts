/** Classifier-free guidance (Ho and Salimans 2022): away from what any class would give. */

import { usageError, UserError } from "../engine/errors.ts";
import type { Denoiser } from "./samplers/types.ts";

/**
 * `unconditional + guidanceScale (conditional - unconditional)`: 0 is unconditional, 1 is conditional,
 * above 1 is guided. The paper's w is `guidanceScale - 1` (equation 6).
 *
 * @param conditional The denoiser's output with the condition [B, ...], flat.
 * @param unconditional Its output without [B, ...].
 * @returns A new array [B, ...].
 * @throws {UserError} If the lengths differ.
 */
export function combineGuidance(
  conditional: Float32Array,
  unconditional: Float32Array,
  guidanceScale: number,
): Float32Array {
  if (conditional.length !== unconditional.length) {
    throw new UserError(
      `the conditional output has ${conditional.length} numbers, the unconditional one ` +
        `${unconditional.length}; both denoisers must keep the shape of their input`,
    );
  }
  return conditional.map((c, i) => unconditional[i]! + guidanceScale * (c - unconditional[i]!));
}

/** Settings of {@linkcode classifierFreeGuidance}. */
export interface GuidanceOptions {
  /** The denoiser with its condition, such as class labels, filled in. */
  conditional: Denoiser;
  /** The same denoiser with the null condition that it was trained with. */
  unconditional: Denoiser;
  /** 0 is unconditional, 1 conditional, above 1 guided; any finite number. */
  guidanceScale: number;
}

/**
 * A denoiser that is guided towards a condition, for use with any sampler. Scales 0 and 1 need only one
 * of the two denoisers, and only that one is asked.
 *
 * @throws {UserError} If the scale is not a finite number.
 */
export function classifierFreeGuidance(
  { conditional, unconditional, guidanceScale }: GuidanceOptions,
): Denoiser {
  if (!Number.isFinite(guidanceScale)) {
    throw usageError(`guidanceScale is ${guidanceScale}; it must be a finite number`);
  }
  if (guidanceScale === 0) return unconditional;
  if (guidanceScale === 1) return conditional;
  return async (x, timestep) =>
    // One after the other: a device runs one of them at a time anyway.
    combineGuidance(
      await conditional(x, timestep),
      await unconditional(x, timestep),
      guidanceScale,
    );
}
