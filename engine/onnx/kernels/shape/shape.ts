/** Kernels that reshape, transpose, concatenate, split, slice and repeat. */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import { sameShape, sizeOf } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { isBlockable, isBlocked } from "../../layout.ts";

const tensorsOf = (inputs: Record<string, TensorInfo>) => Object.values(inputs);

/** A tensor with another shape of the same number of elements. */
export function reshaped(
  backend: OnnxBackend,
  x: TensorInfo,
  shape: readonly number[],
): TensorInfo {
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

function concat(backend: OnnxBackend, tensors: TensorInfo[], axis: number): TensorInfo {
  tf.backend_util.assertParamsConsistent(tensors.map((t) => t.shape), axis);
  const parts = tensors.filter((t) => sizeOf(t.shape) > 0);
  const shape = tf.backend_util.computeOutShape(tensors.map((t) => t.shape), axis);
  if (parts.length === 1) return reshaped(backend, parts[0]!, shape);
  const blocked = axis === 3 && parts.some((t) => isBlocked(backend, t)) &&
    parts.every((t) => isBlockable(backend, t));
  if (blocked) {
    const values = parts.map((t) => backend.blocked(t));
    return backend.blockedTensor(backend.node("Concat", values, { axis: 1 }), shape);
  }
  const values = (parts.length === 0 ? tensors : parts).map((t) => backend.plain(t));
  const value = backend.node("Concat", values, { axis });
  return backend.tensor(value, shape, tensors[0]!.dtype);
}

/** A slice of a tensor. */
export function sliced(
  backend: OnnxBackend,
  x: TensorInfo,
  begin: readonly number[],
  size: readonly number[],
): TensorInfo {
  const { blockSize } = backend;
  const axes = x.shape.flatMap((dimension, i) =>
    begin[i] === 0 && size[i] === dimension ? [] : [i]
  );
  if (axes.length === 0) return reshaped(backend, x, x.shape);
  const slice = (value: string, along: readonly number[]) =>
    backend.node("Slice", [
      value,
      backend.int64s(axes.map((axis) => begin[axis]!)),
      backend.int64s(axes.map((axis) => begin[axis]! + size[axis]!)),
      backend.int64s(along),
    ]);
  // Whole blocks of channels are sliced in the blocked layout, as in the gradients of skip connections.
  const wholeBlocks = sameShape(axes, [3]) && begin[3]! % blockSize === 0 &&
    size[3]! % blockSize === 0;
  if (isBlocked(backend, x) && wholeBlocks) {
    return backend.blockedTensor(slice(backend.blocked(x), [1]), size);
  }
  return backend.tensor(slice(backend.plain(x), axes), size, x.dtype);
}

export const shapes: Record<string, Kernel> = {
  Reshape: ({ x }, { shape }, backend) =>
    reshaped(backend, x, tf.util.inferFromImplicitShape(shape, sizeOf(x.shape))),
  ExpandDims: ({ input }, { dim }, backend) => {
    const rank = input.shape.length;
    tf.util.assert(
      -(rank + 1) <= dim && dim <= rank,
      () => `Axis must be in the interval [${-(rank + 1)}, ${rank}], but is ${dim}.`,
    );
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
    const [{ shape, dtype }] = tensors as [TensorInfo];
    for (const t of tensors) {
      tf.util.assertShapesMatch(
        shape,
        t.shape,
        "All tensors passed to stack must have matching shapes",
      );
      tf.util.assert(
        t.dtype === dtype,
        () => "All tensors passed to stack must have matching dtypes",
      );
    }
    const at = tf.util.parseAxisParam(axis, [...shape, 1])[0]!;
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
    // Slices, because a Split of many outputs needs more buffers at once than a GPU's kernel can have, and
    // because whole blocks of channels stay blocked, as in the gradient of a concatenation.
    let from = 0;
    return sizes.map((size) => {
      const begin = x.shape.map((_: number, j: number) => j === at ? from : 0);
      from += size;
      return sliced(backend, x, begin, x.shape.map((d: number, j: number) => j === at ? size : d));
    });
  },
  Slice: ({ x }, { begin, size }, backend) => {
    const [from, sizes] = tf.slice_util.parseSliceParams(x, begin, size);
    tf.slice_util.assertParamsValid(x, from!, sizes!);
    return sliced(backend, x, from!, sizes!);
  },
  Tile: ({ x }, { reps }, backend) =>
    backend.tensor(
      backend.node("Tile", [backend.plain(x), backend.int64s(reps)]),
      x.shape.map((d: number, i: number) => d * reps[i]),
      x.dtype,
    ),
};
