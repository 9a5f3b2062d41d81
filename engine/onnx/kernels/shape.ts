/** Kernels that move elements without changing them, and those that make constants. */
import * as tf from "../../tf.ts";
import { sizeOf } from "../../tree.ts";
import type { Kernel, OnnxBackend } from "../backend.ts";
import type { ConstantType } from "../graph.ts";
import { isBlockable, isBlocked, NCHWC, sameShape } from "../layout.ts";
import { ELEMENT_TYPE } from "../proto.ts";

const tensorsOf = (inputs: Record<string, tf.TensorInfo>) => Object.values(inputs);

function reshaped(backend: OnnxBackend, x: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo {
  if (sameShape(shape, x.shape) && isBlocked(backend, x)) {
    return backend.blockedTensor(backend.blocked(x), shape);
  }
  const value = backend.plain(x);
  return backend.tensor(
    sameShape(shape, x.shape) ? value : backend.reshape(value, shape),
    shape,
    x.dtype,
  );
}

function filled(
  backend: OnnxBackend,
  shape: readonly number[],
  value: number,
  dtype: string,
): tf.TensorInfo {
  const constant = backend.graph.constant([value], [], dtype as ConstantType);
  const expanded = shape.length === 0
    ? constant
    : backend.node("Expand", [constant, backend.graph.int64s(shape)]);
  return backend.tensor(expanded, shape, dtype);
}

function concat(backend: OnnxBackend, tensors: tf.TensorInfo[], axis: number): tf.TensorInfo {
  const parts = tensors.filter((t) => sizeOf(t.shape) > 0);
  const shape = tf.backend_util.computeOutShape(tensors.map((t) => t.shape), axis);
  if (parts.length === 1) return reshaped(backend, parts[0]!, shape);
  const blocked = axis === 3 && parts.some((t) => isBlocked(backend, t)) &&
    parts.every((t) => isBlockable(backend, t));
  if (blocked) {
    const values = parts.map((t) => backend.blocked(t));
    return backend.blockedTensor(
      backend.node("Concat", values, { attributes: { axis: 1 } }),
      shape,
    );
  }
  const values = (parts.length === 0 ? tensors : parts).map((t) => backend.plain(t));
  const value = backend.node("Concat", values, { attributes: { axis } });
  return backend.tensor(value, shape, tensors[0]!.dtype);
}

function sliced(
  backend: OnnxBackend,
  x: tf.TensorInfo,
  begin: readonly number[],
  size: readonly number[],
): tf.TensorInfo {
  const { graph, blockSize } = backend;
  const axes = x.shape.flatMap((dimension, i) =>
    begin[i] === 0 && size[i] === dimension ? [] : [i]
  );
  if (axes.length === 0) return reshaped(backend, x, x.shape);
  const slice = (value: string, along: readonly number[]) =>
    backend.node("Slice", [
      value,
      graph.int64s(axes.map((axis) => begin[axis]!)),
      graph.int64s(axes.map((axis) => begin[axis]! + size[axis]!)),
      graph.int64s(along),
    ]);
  // Whole blocks of channels can be cut out of a blocked tensor: skip connections' gradients are.
  const wholeBlocks = sameShape(axes, [3]) && begin[3]! % blockSize === 0 &&
    size[3]! % blockSize === 0;
  if (isBlocked(backend, x) && wholeBlocks) {
    return backend.blockedTensor(slice(backend.blocked(x), [1]), size);
  }
  return backend.tensor(slice(backend.plain(x), axes), size, x.dtype);
}

/**
 * A one-hot value [...ids, depth] of float32. ONNX counts negative indices from the end; for tfjs, as
 * for all indices from `depth` on, nothing is on.
 */
function oneHot(
  backend: OnnxBackend,
  ids: string,
  depth: number,
  [off, on]: readonly [number, number],
): string {
  const { graph } = backend;
  const index = backend.node("Cast", [ids], { attributes: { to: ELEMENT_TYPE.int64 } });
  const limit = graph.constant([depth], [], "int64");
  const negative = backend.node("Less", [index, graph.constant([0], [], "int64")]);
  return backend.node("OneHot", [
    backend.node("Where", [negative, limit, index]),
    limit,
    graph.constant([off, on], [2], "float32"),
  ]);
}

/** The kernels by their tfjs names. */
export const shapes: Record<string, Kernel> = {
  Reshape: ({ x }, { shape }, backend) =>
    reshaped(backend, x, tf.util.inferFromImplicitShape(shape, sizeOf(x.shape))),
  ExpandDims: ({ input }, { dim }, backend) => {
    const at = dim < 0 ? input.shape.length + dim + 1 : dim;
    return reshaped(backend, input, [...input.shape.slice(0, at), 1, ...input.shape.slice(at)]);
  },
  Transpose: ({ x }, { perm }, backend) =>
    backend.tensor(
      backend.transpose(backend.plain(x), perm),
      perm.map((axis: number) => x.shape[axis]!),
      x.dtype,
    ),
  Concat: (inputs, { axis }, backend) => {
    const tensors = tensorsOf(inputs);
    return concat(backend, tensors, tf.util.parseAxisParam(axis, tensors[0]!.shape)[0]!);
  },
  Pack: (inputs, { axis }, backend) => {
    const tensors = tensorsOf(inputs);
    const at = tf.util.parseAxisParam(axis, [...tensors[0]!.shape, 1])[0]!;
    const rows = tensors.map((t) =>
      reshaped(backend, t, [...t.shape.slice(0, at), 1, ...t.shape.slice(at)])
    );
    return concat(backend, rows, at);
  },
  Unpack: ({ value }, { axis }, backend) => {
    const at = tf.util.parseAxisParam(axis, value.shape)[0]!;
    const shape = value.shape.filter((_: number, i: number) => i !== at);
    return Array.from({ length: value.shape[at]! }, (_, i) => {
      const begin = value.shape.map((_: number, j: number) => j === at ? i : 0);
      const size = value.shape.map((d: number, j: number) => j === at ? 1 : d);
      return reshaped(backend, sliced(backend, value, begin, size), shape);
    });
  },
  SplitV: ({ x }, { numOrSizeSplits, axis }, backend) => {
    const at = tf.util.parseAxisParam(axis, x.shape)[0]!;
    const sizes = tf.backend_util.prepareSplitSize(x, numOrSizeSplits, at);
    if (isBlocked(backend, x) && at === 3) {
      // The gradient of a concatenation: whole blocks of channels stay blocked.
      let from = 0;
      return sizes.map((size) => {
        const begin = [0, 0, 0, from];
        from += size;
        return sliced(backend, x, begin, [...x.shape.slice(0, 3), size]);
      });
    }
    const parts = backend.graph.nodes("Split", [backend.plain(x), backend.graph.int64s(sizes)], {
      attributes: { axis: at },
      outputs: sizes.length,
    });
    return parts.map((part, i) => {
      const shape = x.shape.map((d: number, j: number) => j === at ? sizes[i]! : d);
      return backend.tensor(part, shape, x.dtype);
    });
  },
  Slice: ({ x }, { begin, size }, backend) => {
    const [from, sizes] = tf.slice_util.parseSliceParams(x, begin, size);
    return sliced(backend, x, from!, sizes!);
  },
  PadV2: ({ x }, { paddings, constantValue }, backend) => {
    const pads = [
      ...paddings.map((p: [number, number]) => p[0]),
      ...paddings.map((p: [number, number]) => p[1]),
    ];
    const value = backend.node("Pad", [
      backend.plain(x),
      backend.graph.int64s(pads),
      backend.graph.constant([constantValue], [], x.dtype),
    ]);
    const shape = x.shape.map((d: number, i: number) => d + paddings[i][0] + paddings[i][1]);
    return backend.tensor(value, shape, x.dtype);
  },
  Tile: ({ x }, { reps }, backend) =>
    backend.tensor(
      backend.node("Tile", [backend.plain(x), backend.graph.int64s(reps)]),
      x.shape.map((d: number, i: number) => d * reps[i]),
      x.dtype,
    ),
  Fill: (_inputs, { shape, value, dtype }, backend) =>
    filled(backend, shape, value, dtype ?? "float32"),
  ZerosLike: ({ x }, _attrs, backend) => filled(backend, x.shape, 0, x.dtype),
  OnesLike: ({ x }, _attrs, backend) => filled(backend, x.shape, 1, x.dtype),
  GatherV2: ({ x, indices }, { axis, batchDims }, backend) => {
    if (batchDims > 0) throw new Error("GatherV2 with batchDims is not there yet");
    const at = tf.util.parseAxisParam(axis, x.shape)[0]!;
    const shape = [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)];
    const value = backend.node("Gather", [backend.plain(x), backend.plain(indices)], {
      attributes: { axis: at },
    });
    return backend.tensor(value, shape, x.dtype);
  },
  // The gradient of a gather along the first axis. Rows are added by a product with a one-hot matrix:
  // ONNX's scatter-add would do, but adds in no fixed order where threads share the work.
  UnsortedSegmentSum: ({ x, segmentIds }, { numSegments }, backend) => {
    const rows = sizeOf(segmentIds.shape);
    const rest = x.shape.slice(segmentIds.shape.length);
    const ids = backend.reshape(backend.plain(segmentIds), [rows]);
    const members = oneHot(backend, ids, numSegments, [0, 1]); // [rows, numSegments]
    const flat = backend.reshape(backend.plain(x), [rows, sizeOf(rest)]);
    const sums = backend.node("FusedMatMul", [members, flat], {
      domain: "com.microsoft",
      attributes: { transA: 1, transB: 0 },
    });
    return backend.tensor(backend.reshape(sums, [numSegments, ...rest]), [numSegments, ...rest]);
  },
  OneHot: ({ indices }, { depth, onValue, offValue, dtype }, backend) => {
    const hot = oneHot(backend, backend.plain(indices), depth, [offValue, onValue]);
    const to = ELEMENT_TYPE[(dtype ?? "int32") as ConstantType];
    // ONNX Runtime has no OneHot of other types; a cast to the same type costs nothing.
    const value = backend.node("Cast", [hot], { attributes: { to } });
    return backend.tensor(value, [...indices.shape, depth], dtype ?? "int32");
  },
  ResizeNearestNeighbor: (inputs, attrs, backend) => {
    const { images } = inputs;
    const [n, h, w, c] = images.shape;
    const [height, width] = attrs.size;
    const whole = height % h === 0 && width % w === 0 && !attrs.alignCorners &&
      !attrs.halfPixelCenters;
    if (!whole) {
      throw new Error("ResizeNearestNeighbor by other than whole factors is not there yet");
    }
    const shape = [n, height, width, c];
    const factors = [height / h, width / w];
    if (isBlockable(backend, images)) {
      return backend.blockedTensor(
        backend.node("Upsample", [backend.blocked(images)], {
          ...NCHWC,
          attributes: {
            scales: [1, 1, ...factors],
            mode: "nearest",
            coordinate_transformation_mode: "asymmetric",
          },
        }),
        shape,
      );
    }
    const rows = backend.reshape(backend.plain(images), [n, h, 1, w, 1, c]);
    const expanded = backend.node("Expand", [
      rows,
      backend.graph.int64s([n, h, factors[0]!, w, factors[1]!, c]),
    ]);
    return backend.tensor(backend.reshape(expanded, shape), shape);
  },
};
