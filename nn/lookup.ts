/** Tables with many rows, such as a vocabulary's embeddings. */
import { sumRowsAt } from "../engine/fused_text.ts";
import * as tf from "../engine/tf.ts";

/**
 * Looks rows up in a table. What tf.gather states as its gradient is a product with a one-hot matrix
 * on some devices, as large as the vocabulary; this adds the rows where they belong.
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
