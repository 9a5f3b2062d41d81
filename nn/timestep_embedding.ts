/** Sinusoidal embeddings of timesteps. */
import * as tf from "../engine/tf.ts";

/** Options of {@linkcode timestepEmbedding}, named as in diffusers. */
export interface TimestepEmbeddingOptions {
  /** Whether cosines come before sines; false in Ho et al. 2020. @default {false} */
  flipSinToCos?: boolean;
  /** The frequencies' exponent is i / (dim / 2 - freqShift): 1 in Ho et al. 2020. @default {1} */
  freqShift?: number;
  /** The longest wavelength divided by 2 pi. @default {10000} */
  maxPeriod?: number;
}

/**
 * Sine and cosine of the timestep at geometrically spaced frequencies (Vaswani et al. 2017, section 3.5; Ho
 * et al. 2020).
 *
 * @param timesteps [B], not necessarily integers.
 * @param dim The number of features; an odd number is padded with a zero on the right.
 * @returns [B, dim]
 */
export function timestepEmbedding(
  timesteps: tf.Tensor1D,
  dim: number,
  { flipSinToCos = false, freqShift = 1, maxPeriod = 10000 }: TimestepEmbeddingOptions = {},
): tf.Tensor2D {
  const half = Math.floor(dim / 2);
  const frequencies = Float32Array.from(
    { length: half },
    (_, i) => Math.exp(-Math.log(maxPeriod) * i / (half - freqShift)),
  );
  const times = tf.reshape(tf.cast(timesteps, "float32"), [-1, 1]);
  const angles = tf.mul(times, tf.tensor2d(frequencies, [1, half])); // [B, half]
  const [sin, cos] = [tf.sin(angles), tf.cos(angles)];
  const waves = tf.concat(flipSinToCos ? [cos, sin] : [sin, cos], 1) as tf.Tensor2D;
  return dim % 2 === 0 ? waves : tf.pad(waves, [[0, 0], [0, 1]]);
}
