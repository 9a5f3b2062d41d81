/** Matrix products. */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { activated } from "../elementwise/activation.ts";
import { broadcastShape, naryOn, op } from "../elementwise/expression.ts";

/**
 * For batches of products, a transposed left side that is longer than this gets a Transpose of its own: 2.3
 * instead of 3.6 ms for 64 products of [196, 196] and [196, 32] on two AVX-512 cores. With [128, 128] there
 * is no difference.
 */
const LONG = 128;

function matMul(
  backend: OnnxBackend,
  a: TensorInfo,
  b: TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
): TensorInfo {
  const rank = a.shape.length;
  tf.util.assert(
    rank >= 2 && b.shape.length >= 2,
    () => `matMul needs tensors of rank 2 or more, but has [${a.shape}] and [${b.shape}].`,
  );
  const sides = ({ shape }: TensorInfo, transposed: boolean) =>
    (transposed ? shape.slice(-2).reverse() : shape.slice(-2)) as [number, number];
  const [[rows, innerA], [innerB, columns]] = [sides(a, transposeA), sides(b, transposeB)];
  tf.util.assert(
    innerA === innerB,
    () =>
      `Error in matMul: inner shapes (${innerA}) and (${innerB}) of Tensors with shapes ` +
      `${a.shape} and ${b.shape} and transposeA=${transposeA} and transposeB=${transposeB} ` +
      "must match.",
  );
  const { assertAndGetBroadcastShape } = tf.backend_util;
  const batch = assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, rows, columns];
  const [left, right] = [backend.plain(a), backend.plain(b)];
  if (a.dtype !== "float32") {
    // ONNX Runtime cannot transpose integers in a product.
    const value = backend.node("MatMul", [
      transposeA ? backend.swapped(left, rank) : left,
      transposeB ? backend.swapped(right, b.shape.length) : right,
    ]);
    return backend.tensor(value, shape, a.dtype);
  }
  if (transposeA && rank > 2 && rows > LONG && innerA > LONG) {
    const turnedShape = [...a.shape.slice(0, -2), rows, innerA];
    const turned = backend.tensor(backend.swapped(left, rank), turnedShape);
    return matMul(backend, turned, b, false, transposeB);
  }
  const ranks = [rank, b.shape.length] as const;
  const value = backend.product([left, right], [transposeA, transposeB], ranks);
  return backend.tensor(value, shape);
}

export const matmuls: Record<string, Kernel> = {
  BatchMatMul: ({ a, b }, { transposeA, transposeB }, backend) =>
    matMul(backend, a, b, transposeA, transposeB),
  _FusedMatMul: (inputs, attrs, backend) => {
    const { a, b, bias } = inputs;
    const product = matMul(backend, a, b, attrs.transposeA, attrs.transposeB);
    const sum = bias == null
      ? product
      : naryOn(backend, [product, bias], broadcastShape(product, bias), op("Add"), product.dtype);
    return activated(backend, sum, inputs, attrs);
  },
  Einsum: (inputs, { equation }, backend) => {
    const tensors = Object.values(inputs) as TensorInfo[];
    const { decodeEinsumEquation, checkEinsumDimSizes } = tf.backend_util;
    const { allDims, summedDims, idDims } = decodeEinsumEquation(equation, tensors.length);
    checkEinsumDimSizes(allDims.length, idDims, tensors as tf.Tensor[]);
    const shape = allDims.slice(0, allDims.length - summedDims.length).map((_, dimension) => {
      const which = idDims.findIndex((dimensions) => dimensions.includes(dimension));
      return tensors[which]!.shape[idDims[which]!.indexOf(dimension)]!;
    });
    const value = backend.node("Einsum", tensors.map((t) => backend.plain(t)), {
      equation: equation.replaceAll(" ", ""),
    });
    return backend.tensor(value, shape, tensors[0]!.dtype);
  },
};
