/** The timesteps of the T training timesteps that a sampler visits, and the timestep that each step leads to. */
import { requireInteger, requireOneOf } from "../base/checks.ts";
import { usageError } from "../base/errors.ts";
import { roundHalfEven } from "../base/rounding.ts";

/** Methods of choosing S timesteps of T (Lin et al. 2024, table 2). */
export const timestepSpacings = ["leading", "trailing", "linspace"] as const;
/**
 * A name of {@linkcode timestepSpacings}. "leading" takes multiples of T / S from 0 on, without the
 * noisiest timestep; "trailing" counts down from T - 1; "linspace" includes both ends.
 */
export type TimestepSpacing = typeof timestepSpacings[number];

/** Settings of {@linkcode inferenceTimesteps}. */
export interface TimestepOptions {
  /** S, the number of steps, in [1, T]. @default {T} */
  numInferenceSteps?: number;
  /**
   * How the S timesteps are chosen. The default is diffusers': "leading" for ddpm and ddim, "linspace"
   * for the others.
   */
  timestepSpacing?: TimestepSpacing;
  /** Added to every timestep of "leading", at least 0; other spacings ignore it. @default {0} */
  stepsOffset?: number;
  /** The timesteps themselves, falling, in place of the three settings above. */
  timesteps?: ArrayLike<number>;
}

/**
 * The timesteps that ddpm and ddim visit, from noisy to clean, chosen as in diffusers. A single step starts
 * at T - 1 with every spacing, where diffusers' "leading" and "linspace" start at 0, whose samples are clean.
 *
 * @param numTrainTimesteps T, at least 2.
 * @returns [S], strictly falling, each in [0, T).
 * @throws {UserError} If T is below 2, S is outside [1, T], an offset leads out of [0, T), or custom
 * timesteps do not fall, are out of range, or are given together with numInferenceSteps.
 *
 * @example
 * ```ts
 * import { inferenceTimesteps } from "@nanodiffusion/nanodiffusion/samplers";
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

/**
 * The timesteps that DPM-Solver++ and UniPC visit in diffusers: the first S of S + 1 points, since the
 * last step leads to the end point. "linspace" is the default.
 */
export function solverTimesteps(T: number, options: TimestepOptions = {}): number[] {
  return chooseTimesteps(T, options, solverSpacers, "linspace");
}

/**
 * The timesteps that Euler and Heun visit in diffusers: as {@linkcode inferenceTimesteps}, but "linspace",
 * the default here, does not round to integers.
 */
export function continuousTimesteps(T: number, options: TimestepOptions = {}): number[] {
  return chooseTimesteps(T, options, continuousSpacers, "linspace");
}

/** Checks the options and chooses the timesteps. */
function chooseTimesteps(
  numTrainTimesteps: number,
  options: TimestepOptions,
  spacers: Spacers,
  defaultSpacing: TimestepSpacing,
): number[] {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 2);
  if (options.timesteps !== undefined) {
    if (options.numInferenceSteps !== undefined) {
      throw usageError("numInferenceSteps and timesteps were both given; give one of the two");
    }
    return checkCustom(Array.from(options.timesteps), T);
  }
  const { numInferenceSteps = T, timestepSpacing = defaultSpacing, stepsOffset = 0 } = options;
  const S = requireInteger("numInferenceSteps", numInferenceSteps, 1);
  if (S > T) {
    throw usageError(
      `numInferenceSteps is ${S}, more than the ${T} timesteps that the denoiser was trained on; ` +
        `use at most ${T}`,
    );
  }
  requireInteger("stepsOffset", stepsOffset, 0);
  if (S === 1) return [T - 1]; // a single step from another one would take noise for signal
  const spacer = spacers[requireOneOf("timestepSpacing", timestepSpacing, timestepSpacings)];
  const timesteps = spacer(T, S, stepsOffset);
  const [first] = timesteps;
  if (first! >= T) {
    throw usageError(
      `stepsOffset ${stepsOffset} moves the first timestep to ${first}, which must be below ${T}; ` +
        `use a smaller offset or fewer steps`,
    );
  }
  return timesteps;
}

/** Checks custom timesteps. */
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

/** The timesteps [S] for T training timesteps, S steps and an offset. */
type Spacers = Record<TimestepSpacing, (T: number, S: number, offset: number) => number[]>;

const spacers: Spacers = {
  leading: (T, S, offset) => {
    const stride = Math.floor(T / S);
    return Array.from({ length: S }, (_, i) => (S - 1 - i) * stride + offset);
  },
  trailing: (T, S) => {
    // The step of numpy's arange to the last bit, which decides how halves are rounded: the difference of
    // its first two values.
    const step = (T - T / S) - T;
    return Array.from({ length: S }, (_, i) => roundHalfEven(T + i * step) - 1);
  },
  linspace: (T, S) => {
    const step = S === 1 ? 0 : (T - 1) / (S - 1);
    return Array.from({ length: S }, (_, i) => roundHalfEven((S - 1 - i) * step));
  },
};

/** The first S of S + 1 points; the last step leads to the remaining one. */
const solverSpacers: Spacers = {
  // With S = T there are only S points, and all are visited.
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

/** Not rounded to integers, but to float32, the type of a model's timesteps. */
const continuousSpacers: Spacers = {
  ...spacers,
  linspace: (T, S) => {
    const step = S === 1 ? 0 : (T - 1) / (S - 1);
    return Array.from({ length: S }, (_, i) => Math.fround((S - 1 - i) * step));
  },
};

/** Rules of {@linkcode previousTimesteps}. */
export const previousTimestepRules = ["next", "stride"] as const;
/** A name of {@linkcode previousTimestepRules}. */
export type PreviousTimestepRule = typeof previousTimestepRules[number];

/**
 * The timestep that each step leads to; values below 0 mean the clean sample.
 *
 * "next" is the next timestep of the list, and -1 after the last: diffusers' rule for DDPM. "stride" is
 * the timestep minus T / S (rounded down), whatever comes next in the list: diffusers' rule for DDIM,
 * except that the last step always leads to the clean sample. Both agree for "leading", and for "trailing" if S divides T. Otherwise "stride" passes samples to the
 * denoiser whose noise does not match their timestep.
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
  return timesteps.map((timestep, i) => i === timesteps.length - 1 ? -1 : timestep - stride);
}

/**
 * Respacing (Nichol and Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models", section 4,
 * and its code). The T timesteps are divided into sections of equal length; from each section a number of
 * evenly spaced timesteps is taken, both ends included. Pass the result to a sampler as `timesteps`.
 *
 * @param numTrainTimesteps T, at least 2.
 * @param sections The number of timesteps in each section, from clean to noisy, as numbers or as
 * "10,15,20"; or "ddimN" for N multiples of an integer.
 * @returns Strictly falling, each in [0, T).
 * @throws {UserError} If T is below 2, a section has fewer timesteps than requested, or no stride gives N.
 *
 * @example
 * ```ts
 * import { respacedTimesteps } from "@nanodiffusion/nanodiffusion/samplers";
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
  const timesteps: number[] = [];
  let start = 0;
  counts.forEach((count, i) => {
    // The remainder of the division goes to the first sections.
    const size = Math.floor(T / counts.length) + (i < T % counts.length ? 1 : 0);
    requireInteger(`sections[${i}]`, count, 1, size);
    const stride = count === 1 ? 0 : (size - 1) / (count - 1);
    let position = 0; // a running sum, as in the original, which decides how halves are rounded
    for (let k = 0; k < count; k++, position += stride) {
      timesteps.push(start + roundHalfEven(position));
    }
    start += size;
  });
  return timesteps.reverse();
}

/** `range(0, T, stride)` with `count` entries (Nichol and Dhariwal 2021, "ddimN"). */
function strided(T: number, count: number): number[] {
  for (let stride = 1; stride < T; stride++) {
    if (Math.ceil(T / stride) === count) return Array.from({ length: count }, (_, i) => i * stride);
  }
  throw usageError(
    `no integer stride gives ${count} of ${T} timesteps; use another number, or "${count}" without ` +
      `"ddim" for timesteps that are not evenly spaced`,
  );
}

/** The number of a text; unlike Number(), NaN for an empty text. */
function toNumber(text: string): number {
  return text.trim() === "" ? NaN : Number(text);
}

/**
 * Timesteps that are denser where samples are almost clean: S squares from 0 to 0.8 T, rounded down
 * (Song et al. 2021, "Denoising Diffusion Implicit Models", appendix D.2, for CIFAR10). Pass the result
 * to a sampler as `timesteps`. Squares that are rounded to the same timestep count once: a step from a
 * timestep to itself would not change a sample.
 *
 * @param numTrainTimesteps T, at least 2.
 * @param numInferenceSteps S, at least 2.
 * @returns At most S timesteps, strictly falling, each in [0, T).
 * @throws {UserError} If T or S is out of range.
 */
export function quadraticTimesteps(numTrainTimesteps: number, numInferenceSteps: number): number[] {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 2);
  const S = requireInteger("numInferenceSteps", numInferenceSteps, 2, T);
  const step = Math.sqrt(.8 * T) / (S - 1);
  const squares = Array.from({ length: S }, (_, i) => Math.trunc(((S - 1 - i) * step) ** 2));
  return [...new Set(squares)];
}
