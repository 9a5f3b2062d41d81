/** Interpolation between the noises of two samples: a sampler turns it into intermediate samples. */
import { requireInteger } from "../base/checks.ts";
import { usageError, UserError } from "../base/errors.ts";
import { combine } from "./samplers/terms.ts";

/**
 * Noises at equal distances on the arc from a to b, both ends included, as a batch for a sampler.
 *
 * @param count The number of noises, at least 2.
 * @returns [count, n], flat.
 */
export function interpolateNoise(a: Float32Array, b: Float32Array, count: number): Float32Array {
  requireInteger("count", count, 2);
  const out = new Float32Array(count * a.length);
  for (let i = 0; i < count; i++) out.set(slerp(a, b, i / (count - 1)), i * a.length);
  return out;
}

/** Below this angle the arc is a straight line to float32's precision. */
const MIN_ANGLE = 1e-4;

/**
 * Spherical linear interpolation along the arc from a to b (Shoemake 1985; Song et al. 2021, equation
 * 67). The mean of two independent normal vectors is shorter than both, unlike any noise of training;
 * on the arc between vectors of equal length the length stays the same.
 *
 * @param a One sample's noise [n].
 * @param b Another sample's noise [n].
 * @param fraction 0 gives a, 1 gives b; other values continue the arc.
 * @returns A new array [n].
 * @throws {UserError} If the lengths differ, one is all zeros, the fraction is not finite, or a and b
 * point in opposite directions, between which no arc is the shortest.
 */
export function slerp(a: Float32Array, b: Float32Array, fraction: number): Float32Array {
  if (a.length !== b.length) {
    throw new UserError(
      `two noises of ${a.length} and ${b.length} numbers cannot be interpolated: ` +
        `give them the same shape`,
    );
  }
  if (!Number.isFinite(fraction)) {
    throw usageError(`fraction is ${fraction}; it must be a finite number`);
  }
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  if (!(lengths > 0)) throw usageError("a noise of zeros has no direction");
  const angle = Math.acos(Math.max(-1, Math.min(1, dot(a, b) / lengths)));
  if (angle < MIN_ANGLE) return combine([1 - fraction, a], [fraction, b]);
  if (Math.PI - angle < MIN_ANGLE) {
    throw usageError("the two noises point in opposite directions; interpolate over a third one");
  }
  const sine = Math.sin(angle);
  return combine(
    [Math.sin((1 - fraction) * angle) / sine, a],
    [Math.sin(fraction * angle) / sine, b],
  );
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}
