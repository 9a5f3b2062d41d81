/** Matrix products. */
import * as tf from "../../tf.ts";
import type { Kernel, OnnxBackend } from "../backend.ts";

function matMul(
  backend: OnnxBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
): tf.TensorInfo {
  const rank = a.shape.length;
  const rows = a.shape[transposeA ? rank - 1 : rank - 2]!;
  const columns = b.shape[transposeB ? rank - 2 : rank - 1]!;
  const batch = tf.backend_util.assertAndGetBroadcastShape(
    a.shape.slice(0, -2),
    b.shape.slice(0, -2),
  );
  const operands = [backend.plain(a), backend.plain(b)];
  const value = transposeA || transposeB
    ? backend.node("FusedMatMul", operands, {
      domain: "com.microsoft",
      attributes: { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 },
    })
    : backend.node("MatMul", operands);
  return backend.tensor(value, [...batch, rows, columns]);
}

/** The matrix products by their tfjs names. */
export const matmuls: Record<string, Kernel> = {
  BatchMatMul: ({ a, b }, { transposeA, transposeB }, backend) =>
    matMul(backend, a, b, transposeA, transposeB),
};
