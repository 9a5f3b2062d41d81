/** Convolutions of [N, D, H, W, C] with filters [d, h, w, C, K], and their gradients. */
import * as tf from "../../../tf.ts";
import { sizeOf } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { MICROSOFT } from "../../graph.ts";
import {
  channelsFirst,
  channelsLast,
  taps,
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
function filterValue(backend: OnnxBackend, filter: tf.TensorInfo): string {
  return backend.transpose(backend.plain(filter), [4, 3, 0, 1, 2]);
}

/** The kernels by their tfjs names. */
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
    const { window, outShape } = geometry(x.shape, filterShape, attrs);
    const [c, k] = filterShape.slice(3);
    const rows = sizeOf(outShape.slice(0, 4));
    const gradient = backend.reshape(backend.plain(dy), [rows, k]);
    const products = taps(backend, backend.plain(x), window).map((tap) => {
      const product = backend.node("FusedMatMul", [backend.reshape(tap, [rows, c]), gradient], {
        transA: 1,
        transB: 0,
      }, MICROSOFT);
      return backend.reshape(product, [1, c, k]);
    });
    const all = backend.node("Concat", products, { axis: 0 });
    return backend.tensor(backend.reshape(all, filterShape), filterShape);
  },
};
