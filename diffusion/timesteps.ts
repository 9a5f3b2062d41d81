/** Which of the T training timesteps a sampler visits, and where it goes from each. */

import { usageError } from "../base/errors.ts";
import { requireInteger, requireOneOf } from "../base/checks.ts";
import { roundHalfEven } from "../base/rounding.ts";

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
  /**
   * How the steps are spread over the timesteps. Without it as diffusers does it: "leading" for ddpm and
   * ddim, "linspace" for the others.
   */
  timestepSpacing?: TimestepSpacing;
  /** Added to every timestep of "leading", at least 0; the others have no use for it. @default {0} */
  stepsOffset?: number;
  /** The timesteps themselves, falling, in place of the three settings above. */
  timesteps?: ArrayLike<number>;
}

/** For T timesteps, S steps and an offset. */
type Spacers = Record<TimestepSpacing, (T: number, S: number, offset: number) => number[]>;

const spacers: Spacers = {
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

/** Checks the options and spaces the timesteps. */
function chooseTimesteps(
  numTrainTimesteps: number,
  options: TimestepOptions,
  spacers: Spacers,
  usual: TimestepSpacing,
): number[] {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 2);
  if (options.timesteps !== undefined) {
    if (options.numInferenceSteps !== undefined) {
      throw usageError("numInferenceSteps and timesteps were both given; give one of the two");
    }
    return checkCustom(Array.from(options.timesteps), T);
  }
  const { numInferenceSteps = T, timestepSpacing = usual, stepsOffset = 0 } = options;
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

/**
 * The timesteps that a sampler visits, from noisy to clean, as diffusers' DDPM and DDIM choose them.
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
  return chooseTimesteps(numTrainTimesteps, options, spacers, "leading");
}

/** The first S of S + 1 points; the last is where the solver's last step leads. */
const solverSpacers: Spacers = {
  // S = T leaves no point to spare: every timestep is visited.
  leading: (T, S, offset) => {
    const stride = Math.max(1, Math.floor(T / (S + 1)));
    const last = S === T ? 0 : stride;
    return Array.from({ length: S }, (_, i) => last + (S - 1 - i) * stride + offset);
  },
  trailing: spacers.trailing,
  linspace: (T, S) =>
    S === T
      ? spacers.linspace(T, S, 0)
      : Array.from({ length: S }, (_, i) => roundHalfEven((S - i) * ((T - 1) / S))),
};

/**
 * The timesteps that DPM-Solver++ and UniPC visit in diffusers: the first S of S + 1 points, since the
 * last step leads from the last of them to the end. "linspace" is the usual spacing.
 *
 * @param numTrainTimesteps T, at least 2.
 * @returns [S], strictly falling, each in [0, T).
 * @throws {UserError} As {@linkcode inferenceTimesteps}.
 */
export function solverTimesteps(
  numTrainTimesteps: number,
  options: TimestepOptions = {},
): number[] {
  return chooseTimesteps(numTrainTimesteps, options, solverSpacers, "linspace");
}

/** A model takes timesteps as float32. */
const continuousSpacers: Spacers = {
  ...spacers,
  linspace: (T, S) => {
    const step = S === 1 ? 0 : (T - 1) / (S - 1);
    return Array.from({ length: S }, (_, i) => Math.fround((S - 1 - i) * step));
  },
};

/**
 * The timesteps that Euler and Heun visit in diffusers: as {@linkcode inferenceTimesteps}, but those of
 * "linspace", the usual spacing here, are not rounded to integers.
 *
 * @param numTrainTimesteps T, at least 2.
 * @returns [S], strictly falling, each in [0, T - 1].
 * @throws {UserError} As {@linkcode inferenceTimesteps}.
 */
export function continuousTimesteps(
  numTrainTimesteps: number,
  options: TimestepOptions = {},
): number[] {
  return chooseTimesteps(numTrainTimesteps, options, continuousSpacers, "linspace");
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

/** `range(0, T, stride)` with as many entries as asked for (Nichol and Dhariwal 2021, "ddimN"). */
function strided(T: number, count: number): number[] {
  for (let stride = 1; stride < T; stride++) {
    if (Math.ceil(T / stride) === count) return Array.from({ length: count }, (_, i) => i * stride);
  }
  throw usageError(
    `no whole stride takes ${count} of ${T} timesteps; give another number, or "${count}" without ` +
      `"ddim" for timesteps that are not equally far apart`,
  );
}

/**
 * Respacing (Nichol and Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models", section 4,
 * and its code): the T timesteps are cut into sections of equal length, and of each section as many are
 * taken as asked for, from its first to its last. Give the result to a sampler as `timesteps`.
 *
 * @param numTrainTimesteps T, at least 2.
 * @param sections How many of each section, from clean to noisy, as numbers or as "10,15,20"; or "ddimN"
 * for N multiples of a whole number.
 * @returns Strictly falling, each in [0, T).
 * @throws {UserError} If T is below 2, a section is asked for more than it has, or no stride gives N.
 *
 * @example
 * ```ts
 * import { respacedTimesteps } from "./timesteps.ts";
 *
 * respacedTimesteps(300, "10,15,20"); // 45 of 300, more of the noisy ones
 * respacedTimesteps(1000, "ddim50"); // [980, 960, ... 20, 0]
 * ```
 */
export function respacedTimesteps(
  numTrainTimesteps: number,
  sections: string | readonly number[],
): number[] {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 2);
  if (typeof sections === "string" && sections.startsWith("ddim")) {
    return strided(T, requireInteger("the number after ddim", toNumber(sections.slice(4)), 1))
      .reverse();
  }
  const counts = typeof sections === "string" ? sections.split(",").map(toNumber) : sections;
  if (counts.length === 0) throw usageError("sections is empty; give the size of at least one");
  const taken: number[] = [];
  let start = 0;
  counts.forEach((count, i) => {
    // The first sections take what does not divide.
    const size = Math.floor(T / counts.length) + (i < T % counts.length ? 1 : 0);
    requireInteger(`sections[${i}]`, count, 1, size);
    const stride = count === 1 ? 0 : (size - 1) / (count - 1);
    let place = 0; // a running sum, as the original has it: halves are rounded
    for (let k = 0; k < count; k++, place += stride) taken.push(start + roundHalfEven(place));
    start += size;
  });
  return taken.reverse();
}

/** Number() takes an empty text for 0. */
function toNumber(text: string): number {
  return text.trim() === "" ? NaN : Number(text);
}

/**
 * Timesteps that are denser where samples are almost clean: S squares from 0 to 0.8 T, rounded down
 * (Song et al. 2021, "Denoising Diffusion Implicit Models", appendix D.2, for CIFAR10). Give the result
 * to a sampler as `timesteps`.
 *
 * @param numTrainTimesteps T, at least 2.
 * @param numInferenceSteps S, at least 2 and so few that no two timesteps coincide.
 * @returns [S], strictly falling, each in [0, T).
 * @throws {UserError} If T or S is out of range.
 */
export function quadraticTimesteps(numTrainTimesteps: number, numInferenceSteps: number): number[] {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 2);
  const S = requireInteger("numInferenceSteps", numInferenceSteps, 2, T);
  const step = Math.sqrt(.8 * T) / (S - 1);
  const timesteps = Array.from({ length: S }, (_, i) => Math.trunc(((S - 1 - i) * step) ** 2));
  if (timesteps.some((timestep, i) => timestep === timesteps[i - 1])) {
    throw usageError(
      `numInferenceSteps ${S} is too many for quadratic spacing of ${T} timesteps, two of which would ` +
        `coincide; use fewer`,
    );
  }
  return timesteps;
}
