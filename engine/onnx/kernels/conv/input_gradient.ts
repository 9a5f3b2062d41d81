/**
 * Gradients of convolutions with respect to their inputs. They are convolutions of dy with the filter
 * transposed and rotated by 180 degrees. With strides there would be zeros between the elements of dy.
 */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import { sameShape } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { NCHWC } from "../../graph.ts";
import { isBlockable, type Quad } from "../../layout.ts";
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

/**
 * A filter value [O, I, h, w], transposed and rotated to [I, O, h, w], in the layout "OIhwio". It is made of
 * the forward pass's layout, which the graph contains already.
 */
function blockRotatedFilter(
  backend: OnnxBackend,
  filter: string,
  shape: readonly number[],
): string {
  const [o, i, h, w] = shape as Quad;
  const b = backend.blockSize;
  const [outer, inner, taps] = [o / b, i / b, h * w];
  const forward = blockFilter(backend, filter, shape, "OIhwio");
  // The b x b block of each tap is transposed, ...
  const split = backend.reshape(forward, [outer * inner * taps, b, 1, b]);
  const blocks = backend.node("ReorderInput", [split], { channels_last: 0 }, NCHWC);
  // ... and the blocks are put in the order [I/b, O/b, taps reversed].
  const order = Array.from({ length: outer * inner * taps }, (_, position) => {
    const tap = taps - 1 - position % taps;
    const block = Math.floor(position / taps);
    return ((block % outer) * inner + Math.floor(block / outer)) * taps + tap;
  });
  const sorted = backend.pick(backend.reshape(blocks, [order.length, b * b]), order, 0);
  return backend.reshape(sorted, [i, o, h, w]);
}

/** A filter value [O, I, h, w], transposed and rotated to [I, O, h, w]. */
function rotatedFilter(backend: OnnxBackend, oihw: string, h: number, w: number): string {
  const rotated = h * w === 1 ? oihw : backend.reverse(oihw, [2, 3]);
  return backend.transpose(rotated, [1, 0, 2, 3]);
}

/**
 * The gradient of a strided convolution with respect to its input: a transposed convolution. With
 * o + top = s*m + a and a < s, the gradient at position o is the sum over u of dy[m - u] W[s*u + a]. For
 * each phase a this is an ordinary convolution with every s-th tap. One convolution computes the phases of
 * both axes as additional channels, and a Gather puts them in order. A convolution of dy with zeros between
 * its elements would need s*s times the arithmetic.
 */
function stridedInputGradient(
  backend: OnnxBackend,
  dy: TensorInfo,
  oihw: string,
  info: ConvInfo,
): TensorInfo {
  const { inChannels: c, outChannels: k, padInfo: { top, left } } = info;
  const { filterHeight: h, filterWidth: w, strideHeight: s, strideWidth: t } = info;
  const b = backend.blockSize;
  const [rows, columns] = [Math.ceil(h / s), Math.ceil(w / t)]; // taps of a phase
  // The filter [K, C, h, w] becomes [s * t * C, K, rows, columns].
  const padded = backend.int64s([0, 0, 0, 0, 0, 0, rows * s - h, columns * t - w]);
  const whole = rows * s === h && columns * t === w ? oihw : backend.node("Pad", [oihw, padded]);
  const split = backend.reverse(backend.reshape(whole, [k, c, rows, s, columns, t]), [2, 4]);
  const phases = backend.reshape(
    backend.transpose(split, [3, 5, 1, 0, 2, 4]),
    [s * t * c, k, rows, columns],
  );
  const [m, n] = [phaseSize(info.inHeight, top, s), phaseSize(info.inWidth, left, t)];
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
  const picked = backend.pick(chunks, order, 1);
  const shape = [info.batchSize, c, info.inHeight, info.inWidth];
  return backend.blockedTensor(backend.reshape(picked, shape), info.inShape);
}

/** The number of positions m of a phase for `size` positions of the input. */
function phaseSize(size: number, before: number, stride: number): number {
  return Math.floor((size - 1 + before) / stride) + 1;
}

function inputGradient(
  backend: OnnxBackend,
  dy: TensorInfo,
  filter: TensorInfo,
  info: ConvInfo,
): TensorInfo {
  const { filterHeight: h, filterWidth: w, inChannels, outChannels, padInfo } = info;
  const strides = [info.strideHeight, info.strideWidth] as const;
  const dilations = [info.dilationHeight, info.dilationWidth] as const;
  const reach = [(h - 1) * dilations[0], (w - 1) * dilations[1]] as const;
  const oihw = filterValue(backend, filter);
  if (strides[0] === 1 && strides[1] === 1) {
    // This padding of dy gives the result the size of the input.
    const pads = [
      reach[0] - padInfo.top,
      reach[1] - padInfo.left,
      reach[0] - padInfo.bottom,
      reach[1] - padInfo.right,
    ] as const;
    if (pads.every((pad) => pad >= 0)) {
      return convolve(backend, dy, rotatedFilter(backend, oihw, h, w), {
        filterShape: [inChannels, outChannels, h, w],
        outputShape: info.inShape,
        strides: [1, 1],
        dilations,
        pads,
        blockedFilter: () => blockRotatedFilter(backend, oihw, [outChannels, inChannels, h, w]),
      });
    }
  } else if (
    isBlockable(backend, dy) && inChannels % backend.blockSize === 0 &&
    dilations[0] === 1 && dilations[1] === 1 &&
    // Every row and column of dy affects the input.
    phaseSize(info.inHeight, padInfo.top, strides[0]) >= info.outHeight &&
    phaseSize(info.inWidth, padInfo.left, strides[1]) >= info.outWidth
  ) {
    return stridedInputGradient(backend, dy, oihw, info);
  }
  const value = backend.node("ConvTranspose", [
    toChannelsFirst(backend, backend.plain(dy), dy.shape),
    oihw,
  ], {
    strides,
    dilations,
    pads: [padInfo.top, padInfo.left, padInfo.bottom, padInfo.right],
    output_padding: [
      info.inHeight - ((info.outHeight - 1) * strides[0] + reach[0] + 1 - padInfo.top -
        padInfo.bottom),
      info.inWidth - ((info.outWidth - 1) * strides[1] + reach[1] + 1 - padInfo.left -
        padInfo.right),
    ],
  });
  return backend.tensor(toChannelsLast(backend, value), info.inShape);
}

/**
 * Crops dy to the size of the convolution's result: tf.conv2dTranspose may be called with an output shape
 * that needs fewer rows and columns of dy.
 */
function cropped(backend: OnnxBackend, dy: TensorInfo, { outShape }: ConvInfo): TensorInfo {
  if (sameShape(dy.shape, outShape)) return dy;
  tf.util.assert(
    dy.shape.length === 4 && outShape.every((size, axis) => size <= dy.shape[axis]!),
    () => `The gradient of a convolution's result is [${dy.shape}], but must be [${outShape}].`,
  );
  return sliced(backend, dy, [0, 0, 0, 0], outShape);
}

export const inputGradients: Record<string, Kernel> = {
  Conv2DBackpropInput: inEitherFormat(
    ({ dy, filter }, attrs, backend) => {
      const info = convInfo(attrs.inputShape, filter.shape, attrs);
      return inputGradient(backend, cropped(backend, dy, info), filter, info);
    },
    ["dy"],
    true,
  ),
};
