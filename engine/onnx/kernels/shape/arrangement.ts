/** Kernels that rearrange elements: reversed, mirrored, strided, padded, or from space to batch. */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import type { ConstantType } from "../../graph.ts";
import { choose } from "../elementwise/expression.ts";
import { reshaped } from "./shape.ts";

type Pairs = readonly (readonly [number, number])[];

/** Selects elements along each axis, one axis after the other. */
function pickAll(
  backend: OnnxBackend,
  value: string,
  choices: readonly (readonly number[] | undefined)[],
): string {
  return choices.reduce<string>(
    (picked, indices, axis) => indices === undefined ? picked : backend.pick(picked, indices, axis),
    value,
  );
}

/** The indices of an axis of `size` elements, extended at its ends by mirrored ones. */
function mirrored(
  size: number,
  [before, after]: readonly [number, number],
  mode: "reflect" | "symmetric",
): number[] {
  const offset = mode === "reflect" ? 0 : 1;
  return Array.from({ length: before + size + after }, (_, place) => {
    const i = place - before;
    if (i < 0) return -i - offset;
    return i < size ? i : 2 * (size - 1) - i + offset;
  });
}

/** Pads a value of any type. */
export function padded(
  backend: OnnxBackend,
  x: TensorInfo,
  paddings: Pairs,
  constantValue: number,
): TensorInfo {
  if (x.shape.length === 0) return reshaped(backend, x, []);
  const value = backend.node("Pad", [
    backend.plain(x),
    backend.int64s([...paddings.map(([before]) => before), ...paddings.map((p) => p[1])]),
    backend.constant([constantValue], [], x.dtype as ConstantType),
  ]);
  const shape = x.shape.map((d, i) => d + paddings[i]![0] + paddings[i]![1]);
  return backend.tensor(value, shape, x.dtype);
}

/** The source of each pixel of an image that is rotated about a point; -1 if it is outside. */
function rotationSources(
  [height, width]: readonly [number, number],
  radians: number,
  [centerX, centerY]: readonly [number, number],
): number[] {
  const [sine, cosine] = [Math.sin(radians), Math.cos(radians)];
  return Array.from({ length: height * width }, (_, i) => {
    const [x, y] = [i % width - centerX, Math.floor(i / width) - centerY];
    const column = Math.round(x * cosine - y * sine + centerX);
    const row = Math.round(x * sine + y * cosine + centerY);
    const inside = column >= 0 && column < width && row >= 0 && row < height;
    return inside ? row * width + column : -1;
  });
}

export const arrangements: Record<string, Kernel> = {
  Reverse: ({ x }, { dims }, backend) => {
    const axes = x.shape.length === 0 ? [] : tf.util.parseAxisParam(dims, x.shape);
    const plain = backend.plain(x);
    const value = axes.length === 0 ? plain : backend.reverse(plain, axes);
    return backend.tensor(value, x.shape, x.dtype);
  },
  FlipLeftRight: ({ image }, _attrs, backend) =>
    backend.tensor(backend.reverse(backend.plain(image), [2]), image.shape, image.dtype),
  StridedSlice: ({ x }, attrs, backend) => {
    const { begin, end, strides } = attrs;
    const { beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attrs;
    const masks = [beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask] as const;
    const info = tf.slice_util.sliceInfo(x.shape, begin, end, strides, ...masks);
    if (info.isIdentity) return reshaped(backend, x, info.finalShape);
    const counts = tf.slice_util.computeOutShape(info.begin, info.end, info.strides);
    const choices = counts.map((count, axis) => {
      const [begin, stride] = [info.begin[axis]!, info.strides[axis]!];
      const whole = begin === 0 && stride === 1 && count === x.shape[axis];
      return whole ? undefined : Array.from({ length: count }, (_, i) => begin + i * stride);
    });
    const value = pickAll(backend, backend.plain(x), choices);
    return backend.tensor(backend.reshape(value, info.finalShape), info.finalShape, x.dtype);
  },
  PadV2: ({ x }, { paddings, constantValue }, backend) =>
    padded(backend, x, paddings, constantValue),
  MirrorPad: ({ x }, { paddings, mode }, backend) => {
    const choices = (paddings as Pairs).map((pair, i) =>
      pair[0] + pair[1] === 0 ? undefined : mirrored(x.shape[i], pair, mode)
    );
    const shape = x.shape.map((d: number, i: number) => d + paddings[i][0] + paddings[i][1]);
    return backend.tensor(pickAll(backend, backend.plain(x), choices), shape, x.dtype);
  },
  SpaceToBatchND: ({ x }, { blockShape, paddings }, backend) => {
    const { getReshaped, getPermuted, getReshapedPermuted } = tf.backend_util;
    const blocks = blockShape.reduce((a: number, b: number) => a * b, 1);
    const rest = x.shape.slice(1 + blockShape.length).map(() => [0, 0]);
    const image = padded(backend, x, [[0, 0], ...paddings, ...rest], 0);
    const split = getReshaped(image.shape, blockShape, blocks, false);
    const order = getPermuted(split.length, blockShape.length, false);
    const shape = getReshapedPermuted(image.shape, blockShape, blocks, false);
    const parts = backend.reshape(backend.plain(image), split);
    return backend.tensor(backend.reshape(backend.transpose(parts, order), shape), shape, x.dtype);
  },
  BatchToSpaceND: ({ x }, { blockShape, crops }, backend) => {
    const { getReshaped, getPermuted, getReshapedPermuted } = tf.backend_util;
    const blocks = blockShape.reduce((a: number, b: number) => a * b, 1);
    const split = getReshaped(x.shape, blockShape, blocks);
    const order = getPermuted(split.length, blockShape.length);
    const shape = getReshapedPermuted(x.shape, blockShape, blocks);
    const parts = backend.transpose(backend.reshape(backend.plain(x), split), order);
    const whole = backend.tensor(backend.reshape(parts, shape), shape, x.dtype);
    const cut = (crops as Pairs).map(([before, after]) => [-before, -after] as const);
    const rest = shape.slice(1 + cut.length).map(() => [0, 0] as const);
    return padded(backend, whole, [[0, 0], ...cut, ...rest], 0);
  },
  DepthToSpace: ({ x }, { blockSize: b }, backend) => {
    const [n, h, w, c] = x.shape;
    const shape = [n, h * b, w * b, c / (b * b)];
    const split = backend.reshape(backend.plain(x), [n, h, w, b, b, c / (b * b)]);
    const value = backend.reshape(backend.transpose(split, [0, 1, 3, 2, 4, 5]), shape);
    return backend.tensor(value, shape, x.dtype);
  },
  RotateWithOffset: ({ image }, { radians, fillValue, center }, backend) => {
    const [n, h, w, c] = image.shape;
    const middle = tf.backend_util.getImageCenter(center, h, w) as [number, number];
    const sources = rotationSources([h, w], radians, middle);
    // The pixel for positions outside of the image. tfjs makes the fourth channel opaque.
    const fill = Array.from(
      { length: c },
      (_, i) => typeof fillValue === "number" ? fillValue : i === 3 ? 255 : fillValue[i],
    );
    const pixels = backend.reshape(backend.plain(image), [n, h * w, c]);
    const inside = backend.constant(sources.map((i) => i < 0 ? 0 : 1), [h * w, 1], "bool");
    const picked = backend.pick(pixels, sources.map((i) => Math.max(0, i)), 1);
    const outside = backend.constant(fill, [c], image.dtype as ConstantType);
    const value = choose(backend, inside, [picked, outside], image.dtype);
    return backend.tensor(backend.reshape(value, image.shape), image.shape, image.dtype);
  },
  // The broadcast shape of two shapes: a dimension of 1 is replaced by the other one.
  BroadcastArgs: ({ s0, s1 }, _attrs, backend) => {
    const rank = Math.max(s0.shape[0], s1.shape[0]);
    const [known0, known1] = [backend.known(s0), backend.known(s1)];
    if (known0 && known1) tf.backend_util.assertAndGetBroadcastShape([...known0], [...known1]);
    const withOnes = (s: TensorInfo) =>
      backend.plain(padded(backend, s, [[rank - s.shape[0]!, 0]], 1));
    const [a, b] = [withOnes(s0), withOnes(s1)];
    const one = backend.cast(backend.int64s([1]), "int32");
    const value = backend.node("Where", [backend.node("Equal", [a, one]), b, a]);
    return backend.tensor(value, [rank], "int32");
  },
};
