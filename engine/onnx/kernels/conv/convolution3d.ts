/** Convolutions of [N, D, H, W, C] with filters [d, h, w, C, K], and their gradients. */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import {
  channelsFirst,
  channelsLast,
  filterGradient,
  transposedConvolution,
  window3d,
  windowAttributes,
} from "./window.ts";

type Quintet = [number, number, number, number, number];

function geometry(
  inShape: readonly number[],
  filterShape: readonly number[],
  // deno-lint-ignore no-explicit-any
  { strides, dilations = 1, pad }: any,
) {
  const info = tf.backend_util.computeConv3DInfo(
    inShape as Quintet,
    filterShape as Quintet,
    strides,
    dilations,
    pad,
  );
  return { window: window3d(info), outShape: info.outShape };
}

/** The value of a filter as [K, C, d, h, w]. */
function filterValue(backend: OnnxBackend, filter: TensorInfo): string {
  return backend.transpose(backend.plain(filter), [4, 3, 0, 1, 2]);
}

export const convolutions3d: Record<string, Kernel> = {
  Conv3D: ({ x, filter }, attrs, backend) => {
    const { window, outShape } = geometry(x.shape, filter.shape, attrs);
    const image = channelsFirst(backend, backend.plain(x), 3);
    const value = backend.node(
      "Conv",
      [image, filterValue(backend, filter)],
      windowAttributes(window),
    );
    return backend.tensor(channelsLast(backend, value, 3), outShape);
  },
  Conv3DBackpropInputV2: ({ dy, filter }, { inputShape, ...attrs }, backend) => {
    const { window } = geometry(inputShape, filter.shape, attrs);
    const gradient = channelsFirst(backend, backend.plain(dy), 3);
    const value = transposedConvolution(backend, gradient, filterValue(backend, filter), window, 1);
    return backend.tensor(channelsLast(backend, value, 3), inputShape);
  },
  Conv3DBackpropFilterV2: ({ x, dy }, { filterShape, ...attrs }, backend) => {
    const { window } = geometry(x.shape, filterShape, attrs);
    return filterGradient(backend, x, dy, window, filterShape);
  },
};
