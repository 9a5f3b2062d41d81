/**
 * Convolutions, and their gradients with respect to the input.
 *
 * Where the channels divide into blocks they run in ONNX Runtime's blocked layout, whose operator
 * takes filters computed in the graph as well; a plain Conv with such a filter would go by way of
 * im2col at a fraction of the speed. The input's gradient is a convolution too, of dy with the filter
 * transposed and turned by 180 degrees; with strides, of dy with zeros between its elements.
 */
import * as tf from "../../tf.ts";
import type { Kernel, OnnxBackend } from "../backend.ts";
import { convAttributes, isBlockable, NCHWC } from "../layout.ts";

/** What tfjs works out about a convolution. */
export type ConvInfo = tf.backend_util.Conv2DInfo;

type Quad = readonly [number, number, number, number];

/** The geometry of a convolution [N, H, W, C] with a filter [h, w, C, K]. */
export function convInfo(
  inputShape: readonly number[],
  filterShape: readonly number[],
  // deno-lint-ignore no-explicit-any
  { strides, pad, dilations = 1, dimRoundingMode, dataFormat }: any,
): ConvInfo {
  return tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    strides,
    dilations,
    pad,
    dimRoundingMode,
    false,
    dataFormat === "NCHW" ? "channelsFirst" : "channelsLast",
  );
}

/** Turns a value [N, H, W, C] to [N, C, H, W]; where C is 1 that is the same memory. */
export function toChannelsFirst(backend: OnnxBackend, x: string, shape: readonly number[]): string {
  const [n, h, w, c] = shape as Quad;
  return c === 1 ? backend.reshape(x, [n, 1, h, w]) : backend.transpose(x, [0, 3, 1, 2]);
}

/** Turns a value [N, C, H, W] to [N, H, W, C]. */
export function toChannelsLast(backend: OnnxBackend, x: string): string {
  return backend.transpose(x, [0, 2, 3, 1]);
}

/** How a blocked convolution wants its filter. */
type FilterLayout =
  /** [O/b, I/b, h, w, b of I, b of O], for blocked input. */
  | "OIhwio"
  /** [O/b, I, h, w, b of O], for input [N, I, H, W] of fewer channels than a block. */
  | "OIhwo";

/** Lays out a filter value [O, I, h, w] for a blocked convolution. */
function blockFilter(
  backend: OnnxBackend,
  filter: string,
  shape: readonly number[],
  layout: FilterLayout,
): string {
  const [o, i, h, w] = shape as Quad;
  const b = backend.blockSize;
  const [split, perm] = layout === "OIhwio"
    ? [[o / b, b, i / b, b, h, w], [0, 2, 4, 5, 3, 1]]
    : [[o / b, b, i, h, w], [0, 2, 3, 4, 1]];
  return backend.reshape(backend.transpose(backend.reshape(filter, split), perm), [o, i, h, w]);
}

/**
 * A stride-`strides` convolution of a tensor with a filter value [O, I, h, w], in the blocked layout
 * if the channels allow it.
 *
 * @param pads Top, left, bottom, right; none negative.
 */
function convolve(backend: OnnxBackend, x: tf.TensorInfo, filter: string, options: {
  filterShape: readonly number[];
  outputShape: readonly number[];
  strides: readonly [number, number];
  dilations: readonly [number, number];
  pads: Quad;
  bias?: string | undefined;
}): tf.TensorInfo {
  const { filterShape, outputShape, strides, dilations, pads, bias } = options;
  const [o, i, h, w] = filterShape as Quad;
  const b = backend.blockSize;
  const attributes = convAttributes({ kernel: [h, w], strides, dilations, pads });
  const withBias = (inputs: string[]) => bias === undefined ? inputs : [...inputs, bias];
  const blockedInput = isBlockable(backend, x);
  if (b > 0 && o % b === 0 && (blockedInput || i < b)) {
    const image = blockedInput
      ? backend.blocked(x)
      : toChannelsFirst(backend, backend.plain(x), x.shape);
    const laidOut = blockFilter(backend, filter, filterShape, blockedInput ? "OIhwio" : "OIhwo");
    const value = backend.node("Conv", withBias([image, laidOut]), { ...NCHWC, attributes });
    return backend.blockedTensor(value, outputShape);
  }
  if (blockedInput && o < b) {
    // A block of output channels, of which the first few are wanted: the network's last layer.
    const { graph } = backend;
    const padded = backend.node("Pad", [filter, graph.int64s([0, 0, 0, 0, b - o, 0, 0, 0])]);
    const laidOut = blockFilter(backend, padded, [b, i, h, w], "OIhwio");
    const inputs = [backend.blocked(x), laidOut];
    if (bias !== undefined) inputs.push(backend.node("Pad", [bias, graph.int64s([0, b - o])]));
    const value = backend.node("Conv", inputs, { ...NCHWC, attributes });
    return backend.tensor(
      backend.node("ReorderOutput", [value], {
        ...NCHWC,
        attributes: { channels: o, channels_last: 1 },
      }),
      outputShape,
    );
  }
  const image = toChannelsFirst(backend, backend.plain(x), x.shape);
  const value = backend.node("Conv", withBias([image, filter]), { attributes });
  return backend.tensor(toChannelsLast(backend, value), outputShape);
}

/** The value of a filter [h, w, I, O] as [O, I, h, w]. */
function filterValue(backend: OnnxBackend, filter: tf.TensorInfo): string {
  return backend.transpose(backend.plain(filter), [3, 2, 0, 1]);
}

function conv2d(
  backend: OnnxBackend,
  x: tf.TensorInfo,
  filter: tf.TensorInfo,
  info: ConvInfo,
  bias?: tf.TensorInfo,
): tf.TensorInfo {
  const { padInfo: { top, left, bottom, right } } = info;
  return convolve(backend, x, filterValue(backend, filter), {
    filterShape: [info.outChannels, info.inChannels, info.filterHeight, info.filterWidth],
    outputShape: info.outShape,
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [top, left, bottom, right],
    bias: bias === undefined ? undefined : backend.reshape(backend.plain(bias), [info.outChannels]),
  });
}

/** Puts `stride` - 1 zeros after every element of a blocked tensor, along height and width. */
function spread(
  backend: OnnxBackend,
  x: tf.TensorInfo,
  [vertical, horizontal]: readonly [number, number],
): tf.TensorInfo {
  const [n, h, w, c] = x.shape as [number, number, number, number];
  const b = backend.blockSize;
  const rows = backend.reshape(backend.blocked(x), [n * c / b, h, 1, w, 1, b]);
  const after = [0, 0, vertical - 1, 0, horizontal - 1, 0];
  const padded = backend.node("Pad", [rows, backend.graph.int64s([0, 0, 0, 0, 0, 0, ...after])]);
  const value = backend.reshape(padded, [n, c, h * vertical, w * horizontal]);
  return backend.blockedTensor(value, [n, h * vertical, w * horizontal, c]);
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
  const strided = strides[0] > 1 || strides[1] > 1;
  // dy is padded so that the result has the input's size.
  const top = reach[0] - padInfo.top;
  const left = reach[1] - padInfo.left;
  const bottom = info.inHeight - info.outHeight * strides[0] - top + reach[0];
  const right = info.inWidth - info.outWidth * strides[1] - left + reach[1];
  const pads = [top, left, bottom, right] as const;
  const oihw = filterValue(backend, filter);
  if (pads.every((pad) => pad >= 0) && (!strided || isBlockable(backend, dy))) {
    const { graph } = backend;
    const turned = h * w === 1 ? oihw : backend.node("Slice", [
      oihw,
      graph.int64s([-1, -1]),
      graph.int64s([-(h + 1), -(w + 1)]),
      graph.int64s([2, 3]),
      graph.int64s([-1, -1]),
    ]);
    return convolve(
      backend,
      strided ? spread(backend, dy, strides) : dy,
      backend.transpose(turned, [1, 0, 2, 3]),
      {
        filterShape: [inChannels, outChannels, h, w],
        outputShape: info.inShape,
        strides: [1, 1],
        dilations,
        pads,
      },
    );
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

/** The convolutions by their tfjs names. */
export const convolutions: Record<string, Kernel> = {
  Conv2D: ({ x, filter }, attrs, backend) =>
    conv2d(backend, x, filter, convInfo(x.shape, filter.shape, attrs)),
  FusedConv2D: ({ x, filter, bias, preluActivationWeights }, attrs, backend) => {
    if (attrs.activation !== "linear" || preluActivationWeights !== undefined) {
      throw new Error(`FusedConv2D with activation ${attrs.activation} is not there yet`);
    }
    return conv2d(backend, x, filter, convInfo(x.shape, filter.shape, attrs), bias);
  },
  Conv2DBackpropInput: ({ dy, filter }, attrs, backend) =>
    inputGradient(backend, dy, filter, convInfo(attrs.inputShape, filter.shape, attrs)),
};
