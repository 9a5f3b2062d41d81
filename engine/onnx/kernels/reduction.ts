/** Reductions, and softmax, which contains one. */
import * as tf from "../../tf.ts";
import type { Kernel, OnnxBackend } from "../backend.ts";
import { isBlocked, NCHWC, sameShape } from "../layout.ts";
import { ELEMENT_TYPE } from "../proto.ts";

/** The shape that is left when `axes` of `shape` are reduced. */
function reducedShape(
  shape: readonly number[],
  axes: readonly number[],
  keepDims: boolean,
): number[] {
  return keepDims
    ? shape.map((dimension, i) => axes.includes(i) ? 1 : dimension)
    : shape.filter((_, i) => !axes.includes(i));
}

/** A sum over one axis or several; ReduceSum takes its axes as an input, the others as an attribute. */
function reduceNode(
  backend: OnnxBackend,
  op: string,
  value: string,
  axes: readonly number[],
  keepDims: boolean,
): string {
  if (axes.length === 0) return value; // ONNX takes no axes for all axes
  const keepdims = keepDims ? 1 : 0;
  return op === "ReduceSum"
    ? backend.node(op, [value, backend.graph.int64s(axes)], { attributes: { keepdims } })
    : backend.node(op, [value], { attributes: { axes, keepdims } });
}

/** The means over height and width of a blocked [N, H, W, C]: a value [N, C, 1, 1]. */
export function globalAverage(backend: OnnxBackend, x: tf.TensorInfo): string {
  return backend.node("GlobalAveragePool", [backend.blocked(x)], NCHWC);
}

/**
 * Sums and means of a blocked tensor over height and width, or over everything but the channels:
 * ONNX Runtime's pooling gives the means without leaving the layout, and what is left is small.
 */
function reduceBlocked(
  backend: OnnxBackend,
  op: string,
  x: tf.TensorInfo,
  axes: readonly number[],
  keepDims: boolean,
): tf.TensorInfo | undefined {
  if (op !== "ReduceSum" && op !== "ReduceMean") return undefined;
  const overSamples = sameShape(axes, [0, 1, 2]);
  if (!overSamples && !sameShape(axes, [1, 2])) return undefined;
  const [n, h, w, c] = x.shape as [number, number, number, number];
  let value = backend.reshape(globalAverage(backend, x), [n, c]);
  if (overSamples) value = reduceNode(backend, op, value, [0], false);
  if (op === "ReduceSum") value = backend.node("Mul", [value, backend.graph.scalar(h * w)]);
  const shape = reducedShape(x.shape, axes, keepDims);
  return backend.tensor(backend.reshape(value, shape), shape);
}

function reduction(op: string, dtype?: "float32"): Kernel {
  // Max alone calls its axes reductionIndices.
  return ({ x }, { axis, reductionIndices = axis, keepDims }, backend) => {
    const axes = tf.util.parseAxisParam(reductionIndices, x.shape).sort((a, b) => a - b);
    if (isBlocked(backend, x)) {
      const reduced = reduceBlocked(backend, op, x, axes, keepDims);
      if (reduced !== undefined) return reduced;
    }
    const shape = reducedShape(x.shape, axes, keepDims);
    const value = dtype === undefined || dtype === x.dtype
      ? backend.plain(x)
      : backend.node("Cast", [backend.plain(x)], { attributes: { to: ELEMENT_TYPE[dtype] } });
    return backend.tensor(
      reduceNode(backend, op, value, axes, keepDims),
      shape,
      dtype ?? x.dtype,
    );
  };
}

/** All and Any: ONNX reduces no booleans, so they go by way of int32. */
function logicalReduction(op: "ReduceMin" | "ReduceMax"): Kernel {
  return ({ x }, { axis, keepDims }, backend) => {
    const axes = tf.util.parseAxisParam(axis, x.shape).sort((a, b) => a - b);
    const integers = backend.node("Cast", [backend.plain(x)], {
      attributes: { to: ELEMENT_TYPE.int32 },
    });
    const reduced = reduceNode(backend, op, integers, axes, keepDims);
    const value = backend.node("Cast", [reduced], { attributes: { to: ELEMENT_TYPE.bool } });
    return backend.tensor(value, reducedShape(x.shape, axes, keepDims), "bool");
  };
}

/** ArgMax and ArgMin, whose ONNX versions give int64. */
function argument(op: "ArgMax" | "ArgMin"): Kernel {
  return ({ x }, { axis }, backend) => {
    const [at] = tf.util.parseAxisParam(axis, x.shape) as [number];
    const index = backend.node(op, [backend.plain(x)], { attributes: { axis: at, keepdims: 0 } });
    const value = backend.node("Cast", [index], { attributes: { to: ELEMENT_TYPE.int32 } });
    return backend.tensor(value, reducedShape(x.shape, [at], false), "int32");
  };
}

/** The reductions by their tfjs names. */
export const reductions: Record<string, Kernel> = {
  All: logicalReduction("ReduceMin"),
  Any: logicalReduction("ReduceMax"),
  ArgMax: argument("ArgMax"),
  ArgMin: argument("ArgMin"),
  Max: reduction("ReduceMax"),
  Mean: reduction("ReduceMean", "float32"),
  Min: reduction("ReduceMin"),
  Prod: reduction("ReduceProd"),
  Sum: reduction("ReduceSum"),
  Softmax: ({ logits }, { dim }, backend) =>
    backend.tensor(
      backend.node("Softmax", [backend.plain(logits)], { attributes: { axis: dim } }),
      logits.shape,
    ),
};
