/** Cross-entropy of token predictions. */
import { addAtColumns, logSoftmaxRows, pickColumns } from "../engine/fused_text.ts";
import * as tf from "../engine/tf.ts";

/** The label of positions that do not count, as in transformers. */
export const IGNORED_LABEL: number = -100;

/**
 * -log softmax(logits)[label] of each position, 0 where the label is {@linkcode IGNORED_LABEL}. It has an
 * explicit gradient, softmax minus one-hot: autodiff would keep several tensors of the size of the logits,
 * which are a language model's largest.
 *
 * @param logits [R, V]
 * @param labels [R], int32
 * @returns [R]
 */
export function crossEntropies(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor1D {
  const ids = tf.maximum(labels, tf.scalar(0, "int32")) as tf.Tensor1D;
  const op = tf.customGrad((...args) => {
    const [logits, save] = args as [tf.Tensor2D, unknown];
    const logs = logSoftmaxRows(logits);
    (save as tf.GradSaveFunc)([logs, ids]);
    return {
      value: tf.neg(pickColumns(logs, ids)),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [logs, ids] = saved as [tf.Tensor2D, tf.Tensor1D];
        const expected = tf.mul(tf.exp(logs), tf.reshape(dy, [-1, 1])) as tf.Tensor2D;
        return addAtColumns(expected, ids, tf.neg(dy as tf.Tensor1D));
      },
    };
  });
  const counted = tf.cast(tf.notEqual(labels, IGNORED_LABEL), "float32");
  return tf.mul(op(logits), counted) as tf.Tensor1D;
}

/**
 * The mean of {@linkcode crossEntropies} over the positions whose label is not {@linkcode IGNORED_LABEL}.
 *
 * @param logits [R, V]
 * @param labels [R], int32
 * @returns A scalar; 0 if every label is ignored.
 */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const counted = tf.cast(tf.notEqual(labels, IGNORED_LABEL), "float32");
  const weights = tf.div(counted, tf.maximum(tf.sum(counted), 1)) as tf.Tensor1D;
  return tf.sum(tf.mul(crossEntropies(logits, labels), weights));
}
