/** Reductions, and softmax. */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import { type DType, sameShape, sizeOf } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { NCHWC } from "../../graph.ts";
import { isBlocked } from "../../layout.ts";
import { plainAs } from "../elementwise/expression.ts";

/** The shape after reducing `axes` of `shape`. */
function reducedShape(
  shape: readonly number[],
  axes: readonly number[],
  keepDims: boolean,
): number[] {
  return keepDims
    ? shape.map((dimension, i) => axes.includes(i) ? 1 : dimension)
    : shape.filter((_, i) => !axes.includes(i));
}

function sortedAxes(axis: number | number[], x: TensorInfo): number[] {
  return tf.util.parseAxisParam(axis, x.shape).sort((a, b) => a - b);
}

/** A reduction. The axes are an input of ReduceSum, and an attribute of the other operators. */
function reduceNode(
  backend: OnnxBackend,
  op: string,
  value: string,
  axes: readonly number[],
  keepDims: boolean,
): string {
  if (axes.length === 0) return value; // without axes ONNX would reduce all
  const keepdims = keepDims ? 1 : 0;
  return op === "ReduceSum"
    ? backend.node(op, [value, backend.int64s(axes)], { keepdims })
    : backend.node(op, [value], { axes, keepdims });
}

/**
 * Sums and means of a blocked tensor over height and width, or over all axes but the channels. ONNX Runtime's
 * pooling computes the means in the blocked layout, and its result is small. Returns undefined for other
 * reductions.
 */
function reduceBlocked(
  backend: OnnxBackend,
  op: string,
  x: TensorInfo,
  axes: readonly number[],
  keepDims: boolean,
): TensorInfo | undefined {
  if (op !== "ReduceSum" && op !== "ReduceMean") return undefined;
  const overSamples = sameShape(axes, [0, 1, 2]);
  if (!overSamples && !sameShape(axes, [1, 2])) return undefined;
  const [n, h, w, c] = x.shape as [number, number, number, number];
  const means = backend.node("GlobalAveragePool", [backend.blocked(x)], {}, NCHWC); // [N, C, 1, 1]
  let value = backend.reshape(means, [n, c]);
  if (overSamples) value = reduceNode(backend, op, value, [0], false);
  if (op === "ReduceSum") value = backend.node("Mul", [value, backend.scalar(h * w)]);
  const shape = reducedShape(x.shape, axes, keepDims);
  return backend.tensor(backend.reshape(value, shape), shape);
}

/**
 * The largest or smallest element. As in tfjs it is NaN if there is a NaN, which ONNX Runtime ignores, and if
 * there are no elements.
 */
function extreme(op: "ReduceMax" | "ReduceMin"): Kernel {
  // Only Max calls its axes reductionIndices.
  return ({ x }, { axis, reductionIndices = axis, keepDims }, backend) => {
    const axes = sortedAxes(reductionIndices, x);
    const shape = reducedShape(x.shape, axes, keepDims);
    const nan = backend.scalar(NaN);
    if (sizeOf(x.shape) === 0 && x.dtype === "float32") {
      return backend.tensor(backend.node("Expand", [nan, backend.int64s(shape)]), shape);
    }
    const reduce = (operator: string, value: string) =>
      reduceNode(backend, operator, value, axes, keepDims);
    if (x.dtype === "bool") {
      const found = reduce(op, plainAs(backend, x, "int32"));
      return backend.tensor(backend.cast(found, "bool"), shape, "bool");
    }
    const values = backend.plain(x);
    const found = reduce(op, values);
    if (x.dtype === "int32") return backend.tensor(found, shape, "int32");
    const undefinedOnes = backend.cast(backend.node("IsNaN", [values]), "uint8");
    const any = backend.cast(reduce("ReduceMax", undefinedOnes), "bool");
    return backend.tensor(backend.node("Where", [any, nan, found]), shape);
  };
}

function reduction(op: string, dtype?: "float32"): Kernel {
  return ({ x }, { axis, keepDims }, backend) => {
    const axes = sortedAxes(axis, x);
    if (isBlocked(backend, x)) {
      const reduced = reduceBlocked(backend, op, x, axes, keepDims);
      if (reduced !== undefined) return reduced;
    }
    const type = dtype ?? (x.dtype === "bool" ? "int32" : x.dtype as DType);
    const value = reduceNode(backend, op, plainAs(backend, x, type), axes, keepDims);
    return backend.tensor(value, reducedShape(x.shape, axes, keepDims), type);
  };
}

/** All and Any, in int32: ONNX does not reduce booleans. */
function logicalReduction(op: "ReduceMin" | "ReduceMax"): Kernel {
  return ({ x }, { axis, keepDims }, backend) => {
    const axes = sortedAxes(axis, x);
    const reduced = reduceNode(backend, op, plainAs(backend, x, "int32"), axes, keepDims);
    const value = backend.cast(reduced, "bool");
    return backend.tensor(value, reducedShape(x.shape, axes, keepDims), "bool");
  };
}

/**
 * ArgMax and ArgMin. tfjs starts with the first element and looks for larger ones. So NaN is the extremum if
 * it is the first element, and is ignored in other positions. ONNX's results are int64.
 */
function argument(op: "ArgMax" | "ArgMin"): Kernel {
  const best = op === "ArgMax" ? Infinity : -Infinity;
  return ({ x }, { axis }, backend) => {
    const [at] = tf.util.parseAxisParam(axis, x.shape) as [number];
    const size = x.shape[at];
    let value = plainAs(backend, x, x.dtype === "bool" ? "int32" : x.dtype);
    if (x.dtype === "float32") {
      const places = x.shape.map((_: number, i: number) => i === at ? size : 1);
      const instead = Float32Array.from({ length: size }, (_, i) => i === 0 ? best : -best);
      const undefinedOnes = backend.node("IsNaN", [value]);
      const replacement = backend.constant(instead, places, "float32");
      value = backend.node("Where", [undefinedOnes, replacement, value]);
    }
    const index = backend.node(op, [value], { axis: at, keepdims: 0 });
    return backend.tensor(
      backend.cast(index, "int32"),
      reducedShape(x.shape, [at], false),
      "int32",
    );
  };
}

export const reductions: Record<string, Kernel> = {
  All: logicalReduction("ReduceMin"),
  Any: logicalReduction("ReduceMax"),
  ArgMax: argument("ArgMax"),
  ArgMin: argument("ArgMin"),
  Max: extreme("ReduceMax"),
  Mean: reduction("ReduceMean", "float32"),
  Min: extreme("ReduceMin"),
  Prod: reduction("ReduceProd"),
  Sum: reduction("ReduceSum"),
  Softmax: ({ logits }, { dim }, backend) =>
    backend.tensor(backend.node("Softmax", [backend.plain(logits)], { axis: dim }), logits.shape),
};
