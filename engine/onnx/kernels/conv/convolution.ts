/**
 * Convolutions. If the channels divide into blocks, they run in ONNX Runtime's blocked layout. Its operator
 * accepts filters that are computed in the graph. A plain Conv with such a filter would use im2col, at a
 * fraction of the speed.
 */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { NCHWC } from "../../graph.ts";
import { convAttributes, isBlockable, type Quad } from "../../layout.ts";
import { sizeOf } from "../../../tree.ts";
import { activated } from "../elementwise/activation.ts";
import { inEitherFormat } from "./channels_first.ts";
import { naryOn, op } from "../elementwise/expression.ts";
import { reshaped } from "../shape/shape.ts";

/** The geometry of a convolution, as tfjs computes it. */
export type ConvInfo = tf.backend_util.Conv2DInfo;

/** The geometry of a convolution [N, H, W, C] with a filter [h, w, C, K], or [h, w, C, M] if depthwise. */
export function convInfo(
  inputShape: readonly number[],
  filterShape: readonly number[],
  // deno-lint-ignore no-explicit-any
  { strides, pad, dilations = 1, dimRoundingMode }: any,
  depthwise = false,
): ConvInfo {
  const [input, filter] = [inputShape as Quad, filterShape as Quad];
  return tf.backend_util
    .computeConv2DInfo(input, filter, strides, dilations, pad, dimRoundingMode, depthwise);
}

/** Transposes a value [N, H, W, C] to [N, C, H, W]. If C is 1, the memory is the same. */
export function toChannelsFirst(backend: OnnxBackend, x: string, shape: readonly number[]): string {
  const [n, h, w, c] = shape as Quad;
  return c === 1 ? backend.reshape(x, [n, 1, h, w]) : backend.transpose(x, [0, 3, 1, 2]);
}

/** Transposes a value [N, C, H, W] to [N, H, W, C]. */
export function toChannelsLast(backend: OnnxBackend, x: string): string {
  return backend.transpose(x, [0, 2, 3, 1]);
}

/** The layout of the filter of a blocked convolution. */
type FilterLayout =
  /** [O/b, I/b, h, w, b of I, b of O], for blocked input. */
  | "OIhwio"
  /** [O/b, I, h, w, b of O], for input [N, I, H, W] of fewer channels than a block. */
  | "OIhwo";

/**
 * Changes a filter value [O, I, h, w] to the layout of a blocked convolution. ONNX Runtime's reorder operators,
 * made for images, use all threads; Transpose uses one (0.3 and 1.2 ms for 128x128x3x3).
 */
export function blockFilter(
  backend: OnnxBackend,
  filter: string,
  shape: readonly number[],
  layout: FilterLayout,
): string {
  const [o, i, h, w] = shape as Quad;
  const b = backend.blockSize;
  // [O/b, b of O, I * h * w] to [O/b, I * h * w, b of O]
  const outputs = backend.reshape(filter, [o / b, b, i, h * w]);
  const outputsLast = backend.node("ReorderInput", [outputs], { channels_last: 0 }, NCHWC);
  if (layout === "OIhwo") return backend.reshape(outputsLast, [o, i, h, w]);
  // [O/b, I/b, b of I, h, w, b of O] to [O/b, I/b, h, w, b of I, b of O]
  const blocks = backend.reshape(outputsLast, [o * i / (b * b), b * b, h, w]);
  const inputsLast = h * w === 1
    ? blocks
    : backend.node("ReorderOutput", [blocks], { channels: b * b, channels_last: 1 }, NCHWC);
  return backend.reshape(inputsLast, [o, i, h, w]);
}

/**
 * A convolution of a tensor with a filter value [O, I, h, w], in the blocked layout if the channels divide
 * into blocks. `pads` are top, left, bottom and right, and must not be negative.
 */
export function convolve(backend: OnnxBackend, x: TensorInfo, filter: string, options: {
  filterShape: readonly number[];
  outputShape: readonly number[];
  strides: readonly [number, number];
  dilations: readonly [number, number];
  pads: Readonly<Quad>;
  bias?: string | undefined;
  /** Makes the filter in the layout "OIhwio", if not by {@linkcode blockFilter}. */
  blockedFilter?: () => string;
}): TensorInfo {
  const { filterShape, outputShape, strides, dilations, pads, bias, blockedFilter } = options;
  const [o, i, h, w] = filterShape as Quad;
  const b = backend.blockSize;
  const attributes = convAttributes({ kernel: [h, w], strides, dilations, pads });
  const withBias = (inputs: string[]) => bias === undefined ? inputs : [...inputs, bias];
  const blockedInput = isBlockable(backend, x);
  if (b > 0 && o % b === 0 && (blockedInput || i < b)) {
    const image = blockedInput
      ? backend.blocked(x)
      : toChannelsFirst(backend, backend.plain(x), x.shape);
    const laidOut = blockedInput && blockedFilter !== undefined
      ? blockedFilter()
      : blockFilter(backend, filter, filterShape, blockedInput ? "OIhwio" : "OIhwo");
    const value = backend.node("Conv", withBias([image, laidOut]), attributes, NCHWC);
    return backend.blockedTensor(value, outputShape);
  }
  if (blockedInput && o < b) {
    // The network's last layer: one block of output channels is computed, and the first few are used.
    const padded = backend.node("Pad", [filter, backend.int64s([0, 0, 0, 0, b - o, 0, 0, 0])]);
    const laidOut = blockFilter(backend, padded, [b, i, h, w], "OIhwio");
    const inputs = [backend.blocked(x), laidOut];
    if (bias !== undefined) inputs.push(backend.node("Pad", [bias, backend.int64s([0, b - o])]));
    const value = backend.node("Conv", inputs, attributes, NCHWC);
    return backend.tensor(
      backend.node("ReorderOutput", [value], { channels: o, channels_last: 1 }, NCHWC),
      outputShape,
    );
  }
  const image = toChannelsFirst(backend, backend.plain(x), x.shape);
  const value = backend.node("Conv", withBias([image, filter]), attributes);
  return backend.tensor(toChannelsLast(backend, value), outputShape);
}

/** The value of a filter [h, w, I, O] as [O, I, h, w]. */
export function filterValue(backend: OnnxBackend, filter: TensorInfo): string {
  return backend.transpose(backend.plain(filter), [3, 2, 0, 1]);
}

function conv2d(
  backend: OnnxBackend,
  x: TensorInfo,
  filter: TensorInfo,
  info: ConvInfo,
  bias?: TensorInfo,
): TensorInfo {
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

const plainConv2d: Kernel = inEitherFormat(
  ({ x, filter, bias }, attrs, backend) =>
    conv2d(backend, x, filter, convInfo(x.shape, filter.shape, attrs), bias),
  ["x"],
  true,
);

/** Makes a tensor broadcast over images [N, C, H, W]: one number for each channel, or any shape that does. */
function alongChannels(backend: OnnxBackend, t: TensorInfo): TensorInfo {
  return t.shape.length === 1 ? reshaped(backend, t, [t.shape[0]!, 1, 1]) : t;
}

export const convolutions: Record<string, Kernel> = {
  Conv2D: ({ x, filter }, attrs, backend) => plainConv2d({ x, filter }, attrs, backend),
  FusedConv2D: (inputs, attrs, backend) => {
    const { x, filter, bias, preluActivationWeights: alpha } = inputs;
    const channelsFirst = attrs.dataFormat === "NCHW";
    const aligned = (t: TensorInfo) => channelsFirst ? alongChannels(backend, t) : t;
    const within = bias != null && sizeOf(bias.shape) === filter.shape[3];
    const sum = plainConv2d({ x, filter, ...(within ? { bias } : {}) }, attrs, backend);
    const sums = [sum].flat()[0]!;
    const whole = bias == null || within
      ? sums
      : naryOn(backend, [sums, aligned(bias)], sums.shape, op("Add"), "float32");
    const weights = alpha == null ? {} : { preluActivationWeights: aligned(alpha) };
    return activated(backend, whole, weights, attrs);
  },
};
