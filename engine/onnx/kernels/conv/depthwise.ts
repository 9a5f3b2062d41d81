/** Depthwise convolutions of [N, H, W, C] with filters [h, w, C, M], and their gradients. */
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { NCHWC } from "../../graph.ts";
import { isBlockable, type Quad } from "../../layout.ts";
import { convInfo } from "./convolution.ts";
import { activated } from "../elementwise/activation.ts";
import { naryOn, op } from "../elementwise/expression.ts";
import {
  channelsFirst,
  channelsLast,
  taps,
  transposedConvolution,
  window2d,
  windowAttributes,
} from "./window.ts";

/** The value of a filter as [C * M, 1, h, w]. */
function filterValue(backend: OnnxBackend, filter: TensorInfo): string {
  const [h, w, c, m] = filter.shape as Quad;
  const channels = backend.transpose(backend.plain(filter), [2, 3, 0, 1]);
  return backend.reshape(channels, [c * m, 1, h, w]);
}

function depthwise(
  backend: OnnxBackend,
  x: TensorInfo,
  filter: TensorInfo,
  attrs: object,
): TensorInfo {
  const [h, w, c, m] = filter.shape as Quad;
  const info = convInfo(x.shape, filter.shape, attrs, true);
  const { outShape } = info;
  const attributes = { ...windowAttributes(window2d(info)), group: c };
  const b = backend.blockSize;
  if (isBlockable(backend, x) && m === 1) {
    // The blocked layout of the filter is [C/b, h, w, b]: see layout.ts.
    const split = backend.reshape(backend.plain(filter), [h, w, c / b, b]);
    const laidOut = backend.reshape(backend.transpose(split, [2, 0, 1, 3]), [c, 1, h, w]);
    const value = backend.node("Conv", [backend.blocked(x), laidOut], {
      ...attributes,
      auto_pad: "NOTSET",
    }, NCHWC);
    return backend.blockedTensor(value, outShape);
  }
  const image = channelsFirst(backend, backend.plain(x), 2);
  const value = backend.node("Conv", [image, filterValue(backend, filter)], attributes);
  return backend.tensor(channelsLast(backend, value, 2), outShape);
}

export const depthwiseConvolutions: Record<string, Kernel> = {
  DepthwiseConv2dNative: ({ x, filter }, attrs, backend) => depthwise(backend, x, filter, attrs),
  FusedDepthwiseConv2D: (inputs, attrs, backend) => {
    const { x, filter, bias } = inputs;
    const y = depthwise(backend, x, filter, attrs);
    const sum = bias == null ? y : naryOn(backend, [y, bias], y.shape, op("Add"), "float32");
    return activated(backend, sum, inputs, attrs);
  },
  DepthwiseConv2dNativeBackpropInput: ({ dy, filter }, { inputShape, ...attrs }, backend) => {
    const window = window2d(convInfo(inputShape, filter.shape, attrs, true));
    const gradient = channelsFirst(backend, backend.plain(dy), 2);
    const weights = filterValue(backend, filter);
    const value = transposedConvolution(backend, gradient, weights, window, inputShape[3]);
    return backend.tensor(channelsLast(backend, value, 2), inputShape);
  },
  // For each tap, the sums of x * dy over samples and positions, for each channel.
  DepthwiseConv2dNativeBackpropFilter: ({ x, dy }, { filterShape, ...attrs }, backend) => {
    const window = window2d(convInfo(x.shape, filterShape, attrs, true));
    const [n, h, w] = dy.shape;
    const [, , c, m] = filterShape as Quad;
    const gradient = backend.reshape(backend.plain(dy), [n, h, w, c, m]);
    const sums = taps(backend, backend.plain(x), window).map((tap) => {
      const image = backend.reshape(tap, [n, h, w, c, 1]);
      const product = backend.node("Mul", [image, gradient]);
      const sum = backend.node("ReduceSum", [product, backend.int64s([0, 1, 2])], { keepdims: 0 });
      return backend.reshape(sum, [1, c, m]);
    });
    const all = backend.node("Concat", sums, { axis: 0 });
    return backend.tensor(backend.reshape(all, filterShape), filterShape);
  },
};
