/**
 * Gradients of convolutions with respect to their inputs: convolutions too, of dy with the filter transposed
 * and turned by 180 degrees; with strides, of dy with zeros between its elements.
 */
import * as tf from "../../../tf.ts";
import { sameShape } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { NCHWC } from "../../graph.ts";
import { isBlockable } from "../../layout.ts";
import { inEitherFormat } from "./channels_first.ts";
import {
  blockFilter,
  type ConvInfo,
  convInfo,
  convolve,
  filterValue,
  toChannelsFirst,
  toChannelsLast,
} from "./convolution.ts";
import { sliced } from "../shape/shape.ts";

type Quad = readonly [number, number, number, number];

/**
 * Lays out, for the gradient, a filter value [O, I, h, w] transposed and turned: [I, O, h, w] in the
 * layout "OIhwio". Starts from the forward pass's layout, which the graph has already.
 */
function blockTurnedFilter(
  backend: OnnxBackend,
  filter: string,
  shape: readonly number[],
): string {
  const [o, i, h, w] = shape as Quad;
  const b = backend.blockSize;
  const [outer, inner, taps] = [o / b, i / b, h * w];
  const forward = blockFilter(backend, filter, shape, "OIhwio");
  // The b x b block of each tap is transposed, ...
  const blocks = backend.node("ReorderInput", [
    backend.reshape(forward, [outer * inner * taps, b, 1, b]),
  ], { ...NCHWC, attributes: { channels_last: 0 } });
  // ... and the blocks are put in the order [I/b, O/b, taps reversed].
  const order = Array.from({ length: outer * inner * taps }, (_, position) => {
    const tap = taps - 1 - position % taps;
    const block = Math.floor(position / taps);
    return ((block % outer) * inner + Math.floor(block / outer)) * taps + tap;
  });
  const sorted = backend.node("Gather", [
    backend.reshape(blocks, [outer * inner * taps, b * b]),
    backend.graph.constant(order, [order.length], "int32"),
  ], { attributes: { axis: 0 } });
  return backend.reshape(sorted, [i, o, h, w]);
}

/** The filter value [O, I, h, w] of the gradient: transposed and turned, [I, O, h, w]. */
function turnedFilter(backend: OnnxBackend, oihw: string, h: number, w: number): string {
  const { graph } = backend;
  const turned = h * w === 1 ? oihw : backend.node("Slice", [
    oihw,
    graph.int64s([-1, -1]),
    graph.int64s([-(h + 1), -(w + 1)]),
    graph.int64s([2, 3]),
    graph.int64s([-1, -1]),
  ]);
  return backend.transpose(turned, [1, 0, 2, 3]);
}

/**
 * The input's gradient of a strided convolution, which is a transposed convolution. An output o with
 * o + top = s*m + a, a < s, is the sum over u of dy[m - u] W[s*u + a]: for each phase a an ordinary
 * convolution with every s-th tap. The phases of both axes are computed as further channels of one
 * convolution, and then put in their places. Zeros between dy's elements would do too, at s*s times the
 * arithmetic.
 */
function stridedInputGradient(
  backend: OnnxBackend,
  dy: tf.TensorInfo,
  oihw: string,
  info: ConvInfo,
): tf.TensorInfo {
  const { inChannels: c, outChannels: k, padInfo: { top, left } } = info;
  const { filterHeight: h, filterWidth: w, strideHeight: s, strideWidth: t } = info;
  const b = backend.blockSize;
  const { graph } = backend;
  const [rows, columns] = [Math.ceil(h / s), Math.ceil(w / t)]; // taps of a phase
  // Filters [K, C, h, w] to one filter [s * t * C, K, rows, columns].
  const padded = graph.int64s([0, 0, 0, 0, 0, 0, rows * s - h, columns * t - w]);
  const whole = rows * s === h && columns * t === w ? oihw : backend.node("Pad", [oihw, padded]);
  const phases = backend.reshape(
    turnPhases(backend, backend.reshape(whole, [k, c, rows, s, columns, t])),
    [s * t * c, k, rows, columns],
  );
  const [m, n] = [places(info.inHeight, top, s), places(info.inWidth, left, t)];
  const all = convolve(backend, dy, phases, {
    filterShape: [s * t * c, k, rows, columns],
    outputShape: [info.batchSize, m, n, s * t * c],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [rows - 1, columns - 1, m - info.outHeight, n - info.outWidth],
  }); // blocked: [N, s, t, C/b, m, n, b]
  const order = new Int32Array(c / b * info.inHeight * info.inWidth);
  let next = 0;
  for (let block = 0; block < c / b; block++) {
    for (let y = top; y < top + info.inHeight; y++) {
      for (let x = left; x < left + info.inWidth; x++) {
        const phase = (y % s) * t + x % t;
        const place = Math.floor(y / s) * n + Math.floor(x / t);
        order[next++] = (phase * c / b + block) * m * n + place;
      }
    }
  }
  const chunks = backend.reshape(backend.blocked(all), [info.batchSize, s * t * c / b * m * n, b]);
  const picked = backend.node("Gather", [chunks, graph.constant(order, [order.length], "int32")], {
    attributes: { axis: 1 },
  });
  const shape = [info.batchSize, c, info.inHeight, info.inWidth];
  return backend.blockedTensor(backend.reshape(picked, shape), info.inShape);
}

/** How many places m a phase has for `size` outputs. */
function places(size: number, before: number, stride: number): number {
  return Math.floor((size - 1 + before) / stride) + 1;
}

/** Filters [K, C, rows, s, columns, t] to [s, t, C, K, rows, columns], with the last two reversed. */
function turnPhases(backend: OnnxBackend, filters: string): string {
  const { graph } = backend;
  const turned = backend.node("Slice", [
    filters,
    graph.int64s([-1, -1]),
    graph.int64s([-1000, -1000]),
    graph.int64s([2, 4]),
    graph.int64s([-1, -1]),
  ]);
  return backend.transpose(turned, [3, 5, 1, 0, 2, 4]);
}

function inputGradient(
  backend: OnnxBackend,
  dy: tf.TensorInfo,
  filter: tf.TensorInfo,
  info: ConvInfo,
): tf.TensorInfo {
  const { filterHeight: h, filterWidth: w, inChannels, outChannels, padInfo } = info;
  const strides = [info.strideHeight, info.strideWidth] as const;
  const dilations = [info.dilationHeight, info.dilationWidth] as const;
  const reach = [(h - 1) * dilations[0], (w - 1) * dilations[1]] as const;
  const oihw = filterValue(backend, filter);
  if (strides[0] === 1 && strides[1] === 1) {
    // dy is padded so that the result has the input's size.
    const pads = [
      reach[0] - padInfo.top,
      reach[1] - padInfo.left,
      reach[0] - padInfo.bottom,
      reach[1] - padInfo.right,
    ] as const;
    if (pads.every((pad) => pad >= 0)) {
      return convolve(backend, dy, turnedFilter(backend, oihw, h, w), {
        filterShape: [inChannels, outChannels, h, w],
        outputShape: info.inShape,
        strides: [1, 1],
        dilations,
        pads,
        blockedFilter: () => blockTurnedFilter(backend, oihw, [outChannels, inChannels, h, w]),
      });
    }
  } else if (
    isBlockable(backend, dy) && inChannels % backend.blockSize === 0 &&
    dilations[0] === 1 && dilations[1] === 1 &&
    // No row or column of dy is beyond those that reach the input.
    places(info.inHeight, padInfo.top, strides[0]) >= info.outHeight &&
    places(info.inWidth, padInfo.left, strides[1]) >= info.outWidth
  ) {
    return stridedInputGradient(backend, dy, oihw, info);
  }
  const value = backend.node("ConvTranspose", [
    toChannelsFirst(backend, backend.plain(dy), dy.shape),
    oihw,
  ], {
    attributes: {
      strides,
      dilations,
      pads: [padInfo.top, padInfo.left, padInfo.bottom, padInfo.right],
      output_padding: [
        info.inHeight - ((info.outHeight - 1) * strides[0] + reach[0] + 1 - padInfo.top -
          padInfo.bottom),
        info.inWidth - ((info.outWidth - 1) * strides[1] + reach[1] + 1 - padInfo.left -
          padInfo.right),
      ],
    },
  });
  return backend.tensor(toChannelsLast(backend, value), info.inShape);
}

/**
 * As much of the gradient of a result as the convolution has of it: tf.conv2dTranspose may ask for
 * fewer rows and columns than there are.
 */
function covered(backend: OnnxBackend, dy: tf.TensorInfo, { outShape }: ConvInfo): tf.TensorInfo {
  if (sameShape(dy.shape, outShape)) return dy;
  tf.util.assert(
    dy.shape.length === 4 && outShape.every((size, axis) => size <= dy.shape[axis]!),
    () => `The gradient of a convolution's result is [${dy.shape}], but must be [${outShape}].`,
  );
  return sliced(backend, dy, [0, 0, 0, 0], outShape);
}

/** The kernel by its tfjs name. */
export const inputGradients: Record<string, Kernel> = {
  Conv2DBackpropInput: inEitherFormat(
    ({ dy, filter }, attrs, backend) => {
      const info = convInfo(attrs.inputShape, filter.shape, attrs);
      return inputGradient(backend, covered(backend, dy, info), filter, info);
    },
    ["dy"],
    true,
  ),
};
