/** Kernels that select elements by index or by rank, and those that return positions of elements. */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import type { ConstantType } from "../../graph.ts";
import { plainAs } from "../elementwise/expression.ts";

/**
 * A float32 one-hot value [...ids, depth]. For negative indices, as for indices from `depth` on, all elements
 * are `off`, as in tfjs; ONNX alone would count negative ones from the end.
 */
export function oneHot(
  backend: OnnxBackend,
  ids: string,
  depth: number,
  [off, on]: readonly [number, number],
): string {
  const index = backend.cast(ids, "int64");
  const limit = backend.constant([depth], [], "int64");
  const negative = backend.node("Less", [index, backend.constant([0], [], "int64")]);
  return backend.node("OneHot", [
    backend.node("Where", [negative, limit, index]),
    limit,
    backend.constant([off, on], [2], "float32"),
  ]);
}

/** Gathers along an axis. The first `batchDims` axes of x and of the indices are batch axes. */
function gatherInBatches(
  backend: OnnxBackend,
  x: TensorInfo,
  indices: TensorInfo,
  axis: number,
  batchDims: number,
): TensorInfo {
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } = tf.backend_util.segment_util
    .collectGatherOpShapeInfo(x as tf.Tensor, indices as tf.Tensor, axis, batchDims);
  const count = indices.shape.slice(batchDims).reduce((a, b) => a * b, 1);
  const rows = backend.reshape(backend.plain(x), [batchSize, outerSize, dimSize, sliceSize]);
  const rowsFirst = backend.transpose(rows, [0, 2, 1, 3]);
  const places = backend.reshape(backend.plain(indices), [batchSize, count, 1]);
  const picked = backend.node("GatherND", [rowsFirst, backend.cast(places, "int64")], {
    batch_dims: 1,
  }); // [batch, count, outer, slice]
  const value = backend.reshape(backend.transpose(picked, [0, 2, 1, 3]), outputShape);
  return backend.tensor(value, outputShape, x.dtype);
}

export const gathers: Record<string, Kernel> = {
  GatherV2: ({ x, indices }, { axis, batchDims }, backend) => {
    const at = tf.util.parseAxisParam(axis, x.shape)[0]!;
    const limit = x.shape[at]!;
    for (const index of backend.known(indices) ?? []) { // ONNX Runtime checks other indices when it runs
      tf.util.assert(
        index >= 0 && index < limit,
        () => `GatherV2: the index value ${index} is not in [0, ${limit - 1}]`,
      );
    }
    const batched = batchDims < 0 ? batchDims + indices.shape.length : batchDims;
    if (batched > 0) return gatherInBatches(backend, x, indices, at, batched);
    const shape = [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)];
    const value = backend.node("Gather", [backend.plain(x), backend.plain(indices)], { axis: at });
    return backend.tensor(value, shape, x.dtype);
  },
  GatherNd: ({ params, indices }, _attrs, backend) => {
    const [shape] = tf.backend_util.prepareAndValidate(params, indices);
    const places = backend.cast(backend.plain(indices), "int64");
    return backend.tensor(
      backend.node("GatherND", [backend.plain(params), places]),
      shape,
      params.dtype,
    );
  },
  OneHot: ({ indices }, { depth, onValue, offValue, dtype = "int32" }, backend) => {
    const shape = [...indices.shape, depth];
    const scalar = indices.shape.length === 0; // ONNX's OneHot does not support scalars
    const ids = scalar ? backend.reshape(backend.plain(indices), [1]) : backend.plain(indices);
    const hot = oneHot(backend, ids, depth, [offValue, onValue]);
    // ONNX Runtime's OneHot supports only float32. A cast to the same type costs nothing.
    const value = backend.cast(hot, dtype as ConstantType);
    return backend.tensor(scalar ? backend.reshape(value, shape) : value, shape, dtype);
  },
  // Always sorted. Without the option `sorted`, tfjs leaves the order open.
  TopK: ({ x }, { k }, backend) => {
    const shape = [...x.shape.slice(0, -1), k];
    const booleans = x.dtype === "bool";
    const inputs = [plainAs(backend, x, booleans ? "int32" : x.dtype), backend.int64s([k])];
    const attributes = { axis: -1, largest: 1, sorted: 1 };
    const [values, indices] = backend.nodes("TopK", inputs, 2, attributes);
    return [
      backend.tensor(booleans ? backend.cast(values!, "bool") : values!, shape, x.dtype),
      backend.tensor(backend.cast(indices!, "int32"), shape, "int32"),
    ];
  },
  // The position of a number is the count of the sequence's elements before it.
  SearchSorted: ({ sortedSequence, values }, { side }, backend) => {
    const [batch, length] = sortedSequence.shape;
    const sequence = backend.reshape(backend.plain(sortedSequence), [batch, 1, length]);
    const wanted = backend.reshape(backend.plain(values), [batch, values.shape[1], 1]);
    const before = backend.node(side === "left" ? "Less" : "LessOrEqual", [sequence, wanted]);
    const ones = backend.cast(before, "int32");
    const count = backend.node("ReduceSum", [ones, backend.int64s([2])], { keepdims: 0 });
    return backend.tensor(count, values.shape, "int32");
  },
};
