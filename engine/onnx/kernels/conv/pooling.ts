/** Pooling over two and three dimensions. */
import * as tf from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { isBlocked, NCHWC } from "../../layout.ts";
import { NoCounterpart } from "../../refusals.ts";
import { castValue, plainAs, toInt32 } from "../elementwise/expression.ts";
import {
  channelsFirst,
  channelsLast,
  type Window,
  window2d,
  window3d,
  windowAttributes,
} from "./window.ts";

/** The window of a pooling of images [N, H, W, C] or [N, D, H, W, C], and the result's shape. */
export function poolInfo(
  x: tf.TensorInfo,
  // deno-lint-ignore no-explicit-any
  { filterSize, strides, pad, dimRoundingMode }: any,
): { window: Window; outShape: number[] } {
  if (x.shape.length === 4) {
    const info = tf.backend_util.computePool2DInfo(
      x.shape as [number, number, number, number],
      filterSize,
      strides,
      1,
      pad,
      dimRoundingMode,
    );
    return checked({ window: window2d(info), outShape: info.outShape });
  }
  const info = tf.backend_util.computePool3DInfo(
    x.shape as [number, number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  return checked({ window: window3d(info), outShape: info.outShape });
}

/** ONNX Runtime pads by less than the window, so that each window has a part of the image. */
function checked(pool: { window: Window; outShape: number[] }): typeof pool {
  const attributes = windowAttributes(pool.window);
  const pads = attributes["pads"] as readonly number[];
  const { kernel } = pool.window;
  if (pads.some((pad, i) => pad >= kernel[i % kernel.length]!)) {
    throw new NoCounterpart(`its padding [${pads}] is as wide as its window [${kernel}]`);
  }
  return pool;
}

function pooling(op: "AveragePool" | "MaxPool"): Kernel {
  return ({ x }, attrs, backend) => {
    const { window, outShape } = poolInfo(x, attrs);
    const attributes = windowAttributes(window);
    if (op === "AveragePool") delete attributes["dilations"]; // which are 1, and unknown to it
    if (isBlocked(backend, x)) {
      const value = backend.node(op, [backend.blocked(x)], { ...NCHWC, attributes });
      return backend.blockedTensor(value, outShape);
    }
    const dimensions = window.kernel.length;
    const image = channelsFirst(backend, plainAs(backend, x, "float32"), dimensions);
    const value = channelsLast(backend, backend.node(op, [image], { attributes }), dimensions);
    return x.dtype === "int32" && op === "MaxPool"
      ? backend.tensor(toInt32(backend, value), outShape, "int32")
      : backend.tensor(value, outShape);
  };
}

/**
 * The largest of every window and where it is: its position in the whole image in the order
 * [N, C, image...], the first of several.
 */
export function maxPoolWithPlaces(
  backend: OnnxBackend,
  x: tf.TensorInfo,
  window: Window,
): readonly [string, string] {
  const given = plainAs(backend, x, "float32");
  const { graph } = backend;
  // NaN is no number to be the largest.
  const numbers = graph.node("Where", [
    graph.node("IsNaN", [given]),
    graph.scalar(-Infinity),
    given,
  ]);
  const image = channelsFirst(backend, numbers, window.kernel.length);
  const attributes = windowAttributes(window);
  const [values, places] = backend.graph.nodes("MaxPool", [image], { attributes, outputs: 2 });
  return [values!, places!];
}

/** The kernels by their tfjs names. */
export const poolings: Record<string, Kernel> = {
  AvgPool: pooling("AveragePool"),
  AvgPool3D: pooling("AveragePool"),
  MaxPool: pooling("MaxPool"),
  MaxPool3D: pooling("MaxPool"),
  MaxPoolWithArgmax: ({ x }, { includeBatchInIndex, ...attrs }, backend) => {
    const { window, outShape } = poolInfo(x, attrs);
    const [n, h, w, c] = x.shape;
    const [values, places] = maxPoolWithPlaces(backend, x, window);
    const { graph } = backend;
    // From (n, c, row, column) to (row, column, c) or (n, row, column, c).
    const pixel = backend.node("Mod", [places, graph.int64s([h * w])]);
    const channels = graph.constant([...Array(c).keys()], [c, 1, 1], "int64");
    const inSample = backend.node("Add", [
      backend.node("Mul", [pixel, graph.int64s([c])]),
      channels,
    ]);
    const starts = Array.from({ length: n }, (_, i) => includeBatchInIndex ? i * h * w * c : 0);
    const index = backend.node("Add", [inSample, graph.constant(starts, [n, 1, 1, 1], "int64")]);
    return [
      backend.tensor(channelsLast(backend, values, 2), outShape),
      backend.tensor(
        castValue(backend, channelsLast(backend, index, 2), "int32"),
        outShape,
        "int32",
      ),
    ];
  },
};
