/** Look-ups in tables with many rows, such as the embeddings of a vocabulary. */
import { sumRowsAt } from "../engine/fused_text.ts";
import * as tf from "../engine/tf.ts";

/**
 * Looks rows up in a table. The gradient adds rows directly; that of tf.gather is, on some devices, a
 * product with a one-hot matrix as large as the vocabulary.
 *
 * @param table [V, C]
 * @param ids Rows in [0, V), any shape, int32.
 * @returns [...ids, C]
 */
export function lookup(table: tf.Tensor2D, ids: tf.Tensor): tf.Tensor {
  const [rows, features] = table.shape;
  const flat = tf.reshape(ids, [-1]) as tf.Tensor1D;
  const op = tf.customGrad((...args) => {
    const [table, save] = args as [tf.Tensor2D, unknown];
    (save as tf.GradSaveFunc)([flat]);
    return {
      value: tf.gather(table, flat),
      gradFunc: (dy: tf.Tensor, [flat]: tf.Tensor[]) =>
        sumRowsAt(dy as tf.Tensor2D, flat as tf.Tensor1D, rows),
    };
  });
  return tf.reshape(op(table), [...ids.shape, features]);
}
