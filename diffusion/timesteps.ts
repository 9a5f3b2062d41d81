/** Which of the T training timesteps a sampler visits, and where it goes from each. */

import { usageError } from "../engine/errors.ts";
import { requireInteger, requireOneOf } from "./checks.ts";
import { roundHalfEven } from "./rounding.ts";

/** Ways of choosing S timesteps of T (Lin et al. 2024, table 2). */
export const timestepSpacings = ["leading", "trailing", "linspace"] as const;
/**
 * A name of {@linkcode timestepSpacings}: "leading" takes multiples of T / S from 0 up and so never
 * starts from the noisiest timestep, "trailing" counts down from T - 1, "linspace" has both ends.
 */
export type TimestepSpacing = typeof timestepSpacings[number];

/** Settings of {@linkcode inferenceTimesteps}. */
export interface TimestepOptions {
  /** S, the number of steps, in [1, T]. @default {T} */
  numInferenceSteps?: number;
  /** How the steps are spread over the timesteps. @default {"leading"} */
  timestepSpacing?: TimestepSpacing;
  /** Added to every timestep of "leading", at least 0; the others have no use for it. @default {0} */
  stepsOffset?: number;
  /** The timesteps themselves, falling, in place of the three settings above. */
  timesteps?: ArrayLike<number>;
}

const spacers: Record<TimestepSpacing, (T: number, S: number, offset: number) => number[]> = {
  leading: (T, S, offset) => {
    const stride = Math.floor(T / S);
    return Array.from({ length: S }, (_, i) => (S - 1 - i) * stride + offset);
  },
  trailing: (T, S) => {
    // How numpy's arange steps, to the last bit, since halves are rounded: the difference of the first
    // two values, times the index.
    const step = (T - T / S) - T;
    return Array.from({ length: S }, (_, i) => roundHalfEven(T + i * step) - 1);
  },
  linspace: (T, S) => {
    const step = S === 1 ? 0 : (T - 1) / (S - 1);
    return Array.from({ length: S }, (_, i) => roundHalfEven((S - 1 - i) * step));
  },
};

function checkCustom(timesteps: number[], T: number): number[] {
  if (timesteps.length === 0) throw usageError("timesteps is empty; give at least one timestep");
  timesteps.forEach((timestep, i) => {
    requireInteger(`timesteps[${i}]`, timestep, 0, T - 1);
    if (i > 0 && timestep >= timesteps[i - 1]!) {
      throw usageError(
        `timesteps must fall, but timesteps[${i}] is ${timestep} after ${timesteps[i - 1]}`,
      );
    }
  });
  return timesteps;
}

/**
 * The timesteps that a sampler visits, from noisy to clean, as diffusers' schedulers choose them.
 *
 * @param numTrainTimesteps T, at least 2.
 * @returns [S], strictly falling, each in [0, T).
 * @throws {UserError} If T is below 2, S is outside [1, T], an offset leads out of [0, T), or custom
 * timesteps do not fall, are out of range, or come together with a number of steps.
 *
 * @example
 * ```ts
 * import { inferenceTimesteps } from "./timesteps.ts";
 *
 * inferenceTimesteps(1000, { numInferenceSteps: 5 }); // [800, 600, 400, 200, 0]
 * inferenceTimesteps(1000, { numInferenceSteps: 5, timestepSpacing: "trailing" }); // [999, 799, ...]
 * ```
 */
export function inferenceTimesteps(
  numTrainTimesteps: number,
  options: TimestepOptions = {},
): number[] {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 2);
  if (options.timesteps !== undefined) {
    if (options.numInferenceSteps !== undefined) {
      throw usageError("numInferenceSteps and timesteps were both given; give one of the two");
    }
    return checkCustom(Array.from(options.timesteps), T);
  }
  const { numInferenceSteps = T, timestepSpacing = "leading", stepsOffset = 0 } = options;
  const S = requireInteger("numInferenceSteps", numInferenceSteps, 1);
  if (S > T) {
    throw usageError(
      `numInferenceSteps is ${S}, more than the ${T} timesteps that the denoiser was trained on; ` +
        `use at most ${T}`,
    );
  }
  requireInteger("stepsOffset", stepsOffset, 0);
  const space = spacers[requireOneOf("timestepSpacing", timestepSpacing, timestepSpacings)];
  const timesteps = space(T, S, stepsOffset);
  if (timesteps[0]! >= T) {
    throw usageError(
      `stepsOffset ${stepsOffset} moves the first timestep to ${
        timesteps[0]
      }, past the last one, ` +
        `${T - 1}; use a smaller offset or fewer steps`,
    );
  }
  return timesteps;
}

/** Rules of {@linkcode previousTimesteps}. */
export const previousTimestepRules = ["next", "stride"] as const;
/** A name of {@linkcode previousTimestepRules}. */
export type PreviousTimestepRule = typeof previousTimestepRules[number];

/**
 * The timestep that each step goes to; below 0 stands for the clean sample.
 *
 * "next" is the next timestep of the list, and then -1: diffusers' rule for DDPM. "stride" is T / S
 * (rounded down) less than the timestep itself, whatever comes next in the list: diffusers' rule for
 * DDIM. The two agree for "leading", and for "trailing" where S divides T. Elsewhere "stride" hands the
 * denoiser samples that are noisier or cleaner than the timestep says.
 *
 * @param timesteps [S], falling.
 * @param numTrainTimesteps T.
 * @returns [S]
 */
export function previousTimesteps(
  timesteps: readonly number[],
  numTrainTimesteps: number,
  rule: PreviousTimestepRule,
): number[] {
  if (rule === "next") return timesteps.map((_, i) => timesteps[i + 1] ?? -1);
  const stride = Math.floor(numTrainTimesteps / timesteps.length);
  return timesteps.map((timestep) => timestep - stride);
}
