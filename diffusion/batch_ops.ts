/** Operations on the examples of a batch. */
import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";

/** A table of five factors for each of `size` examples [5, B]. */
export function factorTable(size: number, factorsOf: (example: number) => number[]): HostArray {
  const table = new Float32Array(5 * size);
  for (let i = 0; i < size; i++) {
    factorsOf(i).forEach((factor, row) => table[row * size + i] = factor);
  }
  return float32(table, [5, size]);
}

type Five = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

/** Splits a table of factors [K, B] into K tensors [B, 1, ...] of the given rank. */
export function perExample<Rows extends tf.Tensor[] = Five>(table: tf.Tensor, rank: number): Rows {
  const shape = [-1, ...Array(rank - 1).fill(1)];
  return tf.unstack(table).map((row) => tf.reshape(row, shape)) as Rows;
}

/** The mean over all axes but the first: [B, ...] to [B]. */
export function meanPerExample(values: tf.Tensor): tf.Tensor {
  return tf.mean(values, Array.from({ length: values.rank - 1 }, (_, i) => i + 1));
}

/** Computes a tensor that gradients treat as a constant; the backward pass of `fn` is not computed. */
export function withoutGradient<T extends tf.Tensor>(fn: () => T): T {
  // A custom-gradient operation without inputs: autodiff does not see the tensors that fn uses. The clone
  // is needed where fn returns a tensor that existed before.
  const op = tf.customGrad(() => ({ value: tf.clone(fn()), gradFunc: () => [] }));
  return op() as T;
}
