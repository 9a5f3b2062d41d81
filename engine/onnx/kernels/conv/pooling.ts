/** Pooling over two and three dimensions, and its gradients. */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import { sizeOf } from "../../../tree.ts";
import { type Kernel, NoCounterpart, type OnnxBackend } from "../../backend.ts";
import { NCHWC } from "../../graph.ts";
import { isBlocked } from "../../layout.ts";
import { plainAs, toInt32 } from "../elementwise/expression.ts";
import {
  channelsFirst,
  channelsLast,
  transposedConvolution,
  type Window,
  window2d,
  window3d,
  windowAttributes,
} from "./window.ts";

/** The window of a pooling over images [N, H, W, C] or [N, D, H, W, C]. */
function poolWindow(
  { shape }: TensorInfo,
  // deno-lint-ignore no-explicit-any
  { filterSize, strides, pad, dimRoundingMode }: any,
): Window {
  const { computePool2DInfo, computePool3DInfo } = tf.backend_util;
  const geometry = [filterSize, strides, 1, pad, dimRoundingMode] as const;
  const window = shape.length === 4
    ? window2d(computePool2DInfo(shape as [number, number, number, number], ...geometry))
    : window3d(computePool3DInfo(shape as [number, number, number, number, number], ...geometry));
  // ONNX Runtime requires that every window contains a part of the image, not only padding.
  const pads = windowAttributes(window)["pads"] as readonly number[];
  const { kernel } = window;
  if (pads.some((pad, i) => pad >= kernel[i % kernel.length]!)) {
    throw new NoCounterpart(`its padding [${pads}] is not smaller than its window [${kernel}]`);
  }
  return window;
}

function pooling(op: "AveragePool" | "MaxPool"): Kernel {
  return ({ x }, attrs, backend) => {
    const window = poolWindow(x, attrs);
    const outShape = [x.shape[0], ...window.outSize, x.shape.at(-1)];
    const attributes = windowAttributes(window);
    if (op === "AveragePool") delete attributes["dilations"]; // they are 1, and AveragePool has no such attribute
    if (isBlocked(backend, x)) {
      const value = backend.node(op, [backend.blocked(x)], attributes, NCHWC);
      return backend.blockedTensor(value, outShape);
    }
    const dimensions = window.kernel.length;
    const image = channelsFirst(backend, plainAs(backend, x, "float32"), dimensions);
    const value = channelsLast(backend, backend.node(op, [image], attributes), dimensions);
    return x.dtype === "int32" && op === "MaxPool"
      ? backend.tensor(toInt32(backend, value), outShape, "int32")
      : backend.tensor(value, outShape);
  };
}

/**
 * The largest element of every window, and its position in the whole batch in the order [N, C, image...]: the
 * first one if there are several.
 */
function maxPoolWithPlaces(
  backend: OnnxBackend,
  x: TensorInfo,
  window: Window,
): readonly [string, string] {
  const given = plainAs(backend, x, "float32");
  // A NaN is never the largest.
  const undefinedOnes = backend.node("IsNaN", [given]);
  const numbers = backend.node("Where", [undefinedOnes, backend.scalar(-Infinity), given]);
  const image = channelsFirst(backend, numbers, window.kernel.length);
  const attributes = windowAttributes(window);
  const [values, places] = backend.nodes("MaxPool", [image], 2, attributes);
  return [values!, places!];
}

/** The gradient of a window goes to its largest element, the first if there are several. */
const maximumGradient: Kernel = ({ dy, input }, attrs, backend) => {
  const window = poolWindow(input, attrs);
  const dimensions = window.kernel.length;
  const [, places] = maxPoolWithPlaces(backend, input, window);
  const gradient = channelsFirst(backend, backend.plain(dy), dimensions);
  const zeros = backend.node("Expand", [backend.scalar(0), backend.int64s([sizeOf(input.shape)])]);
  const rows = [places, gradient].map((value) => backend.reshape(value, [sizeOf(dy.shape)]));
  const attributes = { axis: 0, reduction: "add" };
  const sums = backend.node("ScatterElements", [zeros, ...rows], attributes);
  const shape = input.shape as number[];
  const first = [shape[0]!, shape.at(-1)!, ...shape.slice(1, -1)];
  return backend.tensor(channelsLast(backend, backend.reshape(sums, first), dimensions), shape);
};

/**
 * The gradient of a window is divided among its elements. As in tfjs, the padding counts as elements here,
 * although it does not in the average itself.
 */
const averageGradient: Kernel = ({ dy, input }, attrs, backend) => {
  const window = poolWindow(input, attrs);
  const { kernel, inSize, outSize } = window;
  const images = input.shape[0] * input.shape.at(-1);
  const size = sizeOf(kernel);
  const shares = new Float32Array(size).fill(1 / size);
  const share = backend.constant(shares, [1, 1, ...kernel], "float32");
  const gradient = channelsFirst(backend, backend.plain(dy), kernel.length);
  const rows = backend.reshape(gradient, [images, 1, ...outSize]);
  const gradients = transposedConvolution(backend, rows, share, window, 1);
  const first = [input.shape[0], input.shape.at(-1), ...inSize];
  return backend.tensor(
    channelsLast(backend, backend.reshape(gradients, first), kernel.length),
    input.shape,
  );
};

export const poolings: Record<string, Kernel> = {
  AvgPool: pooling("AveragePool"),
  AvgPool3D: pooling("AveragePool"),
  AvgPoolGrad: averageGradient,
  AvgPool3DGrad: averageGradient,
  MaxPool: pooling("MaxPool"),
  MaxPool3D: pooling("MaxPool"),
  MaxPoolGrad: maximumGradient,
  MaxPool3DGrad: maximumGradient,
  MaxPoolWithArgmax: ({ x }, { includeBatchInIndex, ...attrs }, backend) => {
    const window = poolWindow(x, attrs);
    const outShape = [x.shape[0], ...window.outSize, x.shape.at(-1)];
    const [n, h, w, c] = x.shape;
    const [values, places] = maxPoolWithPlaces(backend, x, window);
    // From (n, c, row, column) to (row, column, c) or (n, row, column, c).
    const pixel = backend.node("Mod", [places, backend.int64s([h * w])]);
    const channels = backend.constant([...Array(c).keys()], [c, 1, 1], "int64");
    const firsts = backend.node("Mul", [pixel, backend.int64s([c])]);
    const inSample = backend.node("Add", [firsts, channels]);
    const starts = Array.from({ length: n }, (_, i) => includeBatchInIndex ? i * h * w * c : 0);
    const index = backend.node("Add", [inSample, backend.constant(starts, [n, 1, 1, 1], "int64")]);
    return [
      backend.tensor(channelsLast(backend, values, 2), outShape),
      backend.tensor(backend.cast(channelsLast(backend, index, 2), "int32"), outShape, "int32"),
    ];
  },
};
