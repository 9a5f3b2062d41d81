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
import { convAttributes, isBlockable, NCHWC, sameShape } from "../layout.ts";
import { sizeOf } from "../../tree.ts";
import { activated } from "./activation.ts";
import { inEitherFormat } from "./channels_first.ts";
import { naryOn, op } from "./expression.ts";
import { reshaped, sliced } from "./shape.ts";

/** What tfjs works out about a convolution. */
export type ConvInfo = tf.backend_util.Conv2DInfo;

type Quad = readonly [number, number, number, number];

/** The geometry of a convolution [N, H, W, C] with a filter [h, w, C, K]. */
export function convInfo(
  inputShape: readonly number[],
  filterShape: readonly number[],
  // deno-lint-ignore no-explicit-any
  { strides, pad, dilations = 1, dimRoundingMode }: any,
): ConvInfo {
  return tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    strides,
    dilations,
    pad,
    dimRoundingMode,
    false,
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

/**
 * Lays out a filter value [O, I, h, w] for a blocked convolution. ONNX Runtime's reorders, meant for
 * images, do it on all threads; its Transpose uses one (0.3 against 1.2 ms for 128x128x3x3).
 */
function blockFilter(
  backend: OnnxBackend,
  filter: string,
  shape: readonly number[],
  layout: FilterLayout,
): string {
  const [o, i, h, w] = shape as Quad;
  const b = backend.blockSize;
  // [O/b, b of O, I * h * w] to [O/b, I * h * w, b of O]
  const outputsLast = backend.node(
    "ReorderInput",
    [backend.reshape(filter, [o / b, b, i, h * w])],
    {
      ...NCHWC,
      attributes: { channels_last: 0 },
    },
  );
  if (layout === "OIhwo") return backend.reshape(outputsLast, [o, i, h, w]);
  // [O/b, I/b, b of I, h, w, b of O] to [O/b, I/b, h, w, b of I, b of O]
  const blocks = backend.reshape(outputsLast, [o * i / (b * b), b * b, h, w]);
  const inputsLast = h * w === 1 ? blocks : backend.node("ReorderOutput", [blocks], {
    ...NCHWC,
    attributes: { channels: b * b, channels_last: 1 },
  });
  return backend.reshape(inputsLast, [o, i, h, w]);
}

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

/**
 * A convolution of a tensor with a filter value [O, I, h, w], in the blocked layout if the channels
 * allow it.
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
  /** The filter in the layout "OIhwio", if it is to be made in another way. */
  blockedFilter?: () => string;
}): tf.TensorInfo {
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

const plainConv2d: Kernel = inEitherFormat(
  ({ x, filter, bias }, attrs, backend) =>
    conv2d(backend, x, filter, convInfo(x.shape, filter.shape, attrs), bias),
  ["x"],
  true,
);

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

/** What goes with images [N, C, H, W]: a number for each channel, or what broadcasts by itself. */
function alongChannels(backend: OnnxBackend, t: tf.TensorInfo): tf.TensorInfo {
  return t.shape.length === 1 ? reshaped(backend, t, [t.shape[0]!, 1, 1]) : t;
}

/** The convolutions by their tfjs names. */
export const convolutions: Record<string, Kernel> = {
  Conv2D: ({ x, filter }, attrs, backend) => plainConv2d({ x, filter }, attrs, backend),
  FusedConv2D: (inputs, attrs, backend) => {
    const { x, filter, bias, preluActivationWeights: alpha } = inputs;
    const channelsFirst = attrs.dataFormat === "NCHW";
    const aligned = (t: tf.TensorInfo) => channelsFirst ? alongChannels(backend, t) : t;
    const within = bias != null && sizeOf(bias.shape) === filter.shape[3];
    const sum = plainConv2d({ x, filter, ...(within ? { bias } : {}) }, attrs, backend);
    const sums = [sum].flat()[0]!;
    const whole = bias == null || within
      ? sums
      : naryOn(backend, [sums, aligned(bias)], sums.shape, op("Add"), "float32");
    const weights = alpha == null ? {} : { preluActivationWeights: aligned(alpha) };
    return activated(backend, whole, weights, attrs);
  },
  Conv2DBackpropInput: inEitherFormat(
    ({ dy, filter }, attrs, backend) => {
      const info = convInfo(attrs.inputShape, filter.shape, attrs);
      return inputGradient(backend, covered(backend, dy, info), filter, info);
    },
    ["dy"],
    true,
  ),
};
