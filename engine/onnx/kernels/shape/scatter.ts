/** Kernels that put elements, or sums of elements, at given indices. */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import { sizeOf } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import type { ConstantType } from "../../graph.ts";
import { plainAs } from "../elementwise/expression.ts";
import { oneHot } from "./gather.ts";
import { reshaped } from "./shape.ts";

/** A value of a constant shape, filled with one element. */
function filledWith(backend: OnnxBackend, value: string, shape: readonly number[]): string {
  return backend.node("Expand", [value, backend.int64s(shape)]);
}

/**
 * Adds rows [count, columns] to zeros [size, columns], in order, so that sums are reproducible. ScatterND would
 * add them on several threads, in no fixed order.
 *
 * @param places The row of the result for each row: an int32 value [count] in [0, size).
 */
function addRows(
  backend: OnnxBackend,
  rows: string,
  places: string,
  [count, size, columns]: readonly [count: number, size: number, columns: number],
  dtype: ConstantType,
): string {
  const zeros = filledWith(backend, backend.constant([0], [], dtype), [size, columns]);
  const column = backend.reshape(places, [count, 1]);
  return backend.node("ScatterElements", [
    zeros,
    columns === 1 ? column : filledWith(backend, column, [count, columns]),
    rows,
  ], { axis: 0, reduction: "add" });
}

/** Writes rows at indices [count, rank] with ScatterND. */
function scatter(backend: OnnxBackend, onto: string, indices: TensorInfo, updates: string): string {
  const places = backend.cast(backend.plain(indices), "int64");
  return backend.node("ScatterND", [onto, places, updates]);
}

/**
 * Up to this many segments, sums are a product with a one-hot matrix; beyond, rows are added in order. For 512
 * rows of 768 numbers and 128, 1024 and 50,257 segments the product takes 0.7, 6 and 340 ms, the addition
 * 1.9, 1.4 and 10 ms.
 */
const MAX_ONE_HOT = 256;

/** Counts, or sums of weights, for each row: x [batch, count] to [batch, size]. */
function bincount(
  backend: OnnxBackend,
  x: TensorInfo,
  weights: TensorInfo,
  size: number,
  binary: boolean,
): string {
  const [batch, count] = x.shape.length === 2 ? x.shape as [number, number] : [1, x.shape[0]!];
  const hot = oneHot(backend, backend.reshape(backend.plain(x), [batch, count]), size, [0, 1]);
  const weighted = !binary && sizeOf(weights.shape) > 0;
  const factors = weighted
    ? backend.reshape(backend.cast(backend.plain(weights), "float32"), [batch, 1, count])
    : backend.constant(new Float32Array(batch * count).fill(1), [batch, 1, count], "float32");
  const sums = backend.node("MatMul", [factors, hot]);
  const value = binary ? backend.node("Sign", [sums]) : sums;
  const typed = weights.dtype === "float32"
    ? value
    : backend.cast(value, weights.dtype as ConstantType);
  return backend.reshape(typed, x.shape.length === 2 ? [batch, size] : [size]);
}

export const scatters: Record<string, Kernel> = {
  ScatterNd: ({ indices, updates }, { shape }, backend) => {
    const { sliceRank, numUpdates, sliceSize, strides } = tf.backend_util
      .calculateShapes(updates, indices, shape);
    const factors = backend.constant(strides.slice(0, sliceRank), [sliceRank], "int32");
    const rowIndices = backend.reshape(backend.plain(indices), [numUpdates, sliceRank]);
    const terms = backend.node("Mul", [rowIndices, factors]);
    const places = backend.node("ReduceSum", [terms, backend.int64s([1])], { keepdims: 0 });
    const dtype = updates.dtype === "bool" ? "int32" : updates.dtype;
    const rows = backend.reshape(plainAs(backend, updates, dtype), [numUpdates, sliceSize]);
    const size = sizeOf(shape) / sliceSize;
    const sums = addRows(backend, rows, places, [numUpdates, size, sliceSize], dtype);
    const value = updates.dtype === "bool" ? backend.cast(sums, "bool") : sums;
    return backend.tensor(backend.reshape(value, shape), shape, updates.dtype);
  },
  TensorScatterUpdate: ({ tensor, indices, updates }, _attrs, backend) =>
    backend.tensor(
      scatter(backend, backend.plain(tensor), indices, backend.plain(updates)),
      tensor.shape,
      tensor.dtype,
    ),
  SparseToDense: ({ sparseIndices, sparseValues, defaultValue }, { outputShape }, backend) => {
    const rank = outputShape.length;
    const count = sparseIndices.shape.length === 0 ? 1 : sparseIndices.shape[0];
    const indices = reshaped(backend, sparseIndices, [count, rank]);
    const single = backend.reshape(backend.plain(defaultValue), []);
    const updates = filledWith(backend, backend.plain(sparseValues), [count]);
    const dense = filledWith(backend, single, outputShape);
    const value = scatter(backend, dense, indices, updates);
    return backend.tensor(value, outputShape, sparseValues.dtype);
  },
  // The gradient of a gather along the first axis. Ids outside of the segments are ignored, and the result is
  // float32, as in tfjs.
  UnsortedSegmentSum: ({ x, segmentIds }, { numSegments }, backend) => {
    const rows = sizeOf(segmentIds.shape);
    const rest = x.shape.slice(segmentIds.shape.length);
    const columns = sizeOf(rest);
    const ids = backend.reshape(backend.plain(segmentIds), [rows]);
    const flat = backend.reshape(plainAs(backend, x, "float32"), [rows, columns]);
    const shape = [numSegments, ...rest];
    if (numSegments <= MAX_ONE_HOT) {
      const members = oneHot(backend, ids, numSegments, [0, 1]); // [rows, numSegments]
      const sums = backend.product([members, flat], [true, false]);
      return backend.tensor(backend.reshape(sums, shape), shape);
    }
    const integer = (value: number) => backend.constant([value], [], "int32");
    const known = backend.node("And", [
      backend.node("GreaterOrEqual", [ids, integer(0)]),
      backend.node("Less", [ids, integer(numSegments)]),
    ]);
    const isKept = backend.reshape(known, [rows, 1]);
    const kept = backend.node("Where", [isKept, flat, backend.scalar(0)]);
    const places = backend.node("Where", [known, ids, integer(0)]);
    const sums = addRows(backend, kept, places, [rows, numSegments, columns], "float32");
    return backend.tensor(backend.reshape(sums, shape), shape);
  },
  Bincount: ({ x, weights }, { size }, backend) =>
    backend.tensor(
      bincount(backend, reshaped(backend, x, [sizeOf(x.shape)]), weights, size, false),
      [size],
      weights.dtype,
    ),
  DenseBincount: ({ x, weights }, { size, binaryOutput }, backend) =>
    backend.tensor(
      bincount(backend, x, weights, size, binaryOutput && x.shape.length === 2),
      [...x.shape.slice(0, -1), size],
      weights.dtype,
    ),
};
