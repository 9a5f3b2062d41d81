/**
 * Gradients of convolutions with respect to their filters:
 * dW[i, j, c, k] = sum over n, h, w of x[n, h*s + i - top, w*s + j - left, c] * dy[n, h, w, k].
 *
 * As a product of matrices this is slow, copies included. It is a convolution as well, with other
 * roles for the axes: let an *image* have x's columns and samples as its channels, x's rows as its
 * height and x's channels as its width, [1, W*N, H, C]; and let dy, [K, W*N, H, 1], be the *filter*, as
 * tall as the image. The filter's K are then the output's channels; the vertical taps i are the rows
 * that the output has; its width is x's channels; and each horizontal tap j is a convolution of its
 * own, over the columns where x moved by j and dy overlap. In the blocked layout the channels W*N are
 * divided over the samples, so that moving by a column is moving by whole blocks.
 */
import type * as tf from "../../tf.ts";
import { sizeOf } from "../../tree.ts";
import type { Kernel, OnnxBackend } from "../backend.ts";
import { convAttributes, isBlockable, isBlocked, NCHWC } from "../layout.ts";
import { type ConvInfo, convInfo } from "./convolution.ts";

type Quad = [number, number, number, number];

/** A tensor [N, H, W, C] as a blocked image [1, W*N, H, C]. */
function asImage(backend: OnnxBackend, x: tf.TensorInfo): string {
  const [n, h, w, c] = x.shape as Quad;
  const b = backend.blockSize;
  const turned = isBlocked(backend, x)
    // [N, C/b, H, W, b] -> [W, N, H, C/b, b]
    ? backend.transpose(
      backend.reshape(backend.blocked(x), [n, c / b, h, w, b]),
      [3, 0, 2, 1, 4],
    )
    : backend.transpose(backend.plain(x), [2, 0, 1, 3]);
  return backend.node("ReorderInput", [backend.reshape(turned, [1, w * n, h, c])], {
    ...NCHWC,
    attributes: { channels_last: 0 },
  });
}

/** A tensor [N, H, W, K] as a laid-out filter [K/b, W, N/b, H, b of N, b of K]. */
function asFilter(backend: OnnxBackend, dy: tf.TensorInfo): string {
  const [n, h, w, k] = dy.shape as Quad;
  const b = backend.blockSize;
  return isBlocked(backend, dy)
    ? backend.transpose(
      backend.reshape(backend.blocked(dy), [n / b, b, k / b, h, w, b]),
      [2, 4, 0, 3, 1, 5],
    )
    : backend.transpose(
      backend.reshape(backend.plain(dy), [n / b, b, h, w, k / b, b]),
      [4, 3, 0, 2, 1, 5],
    );
}

/** The part of a value from `begin` to `end` along one axis, every `step`th of it. */
function cut(
  backend: OnnxBackend,
  value: string,
  axis: number,
  [begin, end, step]: [number, number, number],
): string {
  const { graph } = backend;
  return backend.node("Slice", [value, ...[begin, end, axis, step].map((x) => graph.int64s([x]))]);
}

/**
 * Correlates an image tensor with a filter tensor over samples, rows and columns.
 *
 * @returns A value [taps across, K, taps down, C]: for every tap (i, j) the sums of
 * image[n, h*s + i - top, w*s + j - left, c] * filter[n, h, w, k].
 */
function correlate(backend: OnnxBackend, image: tf.TensorInfo, filter: tf.TensorInfo, options: {
  taps: readonly [number, number];
  strides: readonly [number, number];
  /** Above and to the left. */
  pads: readonly [number, number];
}): string {
  const { taps, strides, pads } = options;
  const [n, imageHeight, imageWidth, c] = image.shape as Quad;
  const [, filterHeight, filterWidth, k] = filter.shape as Quad;
  const images = asImage(backend, image);
  const filters = asFilter(backend, filter);
  const bottom = taps[0] - 1 - imageHeight - pads[0] + (filterHeight - 1) * strides[0] + 1;
  const attributes = convAttributes({
    kernel: [filterHeight, 1],
    dilations: [strides[0], 1],
    pads: [pads[0], 0, bottom, 0],
  });
  const columns = Array.from({ length: taps[1] }, (_, j) => {
    // Columns w of the filter that meet a column w*s + j - left inside the image.
    const offset = j - pads[1];
    const from = Math.max(0, Math.ceil(-offset / strides[1]));
    const to = Math.min(filterWidth, Math.floor((imageWidth - 1 - offset) / strides[1]) + 1);
    const start = from * strides[1] + offset;
    const end = (to - 1) * strides[1] + offset + 1;
    let x = images;
    if (strides[1] > 1) {
      // [1, W*N, H, C] -> [W, N*H*C], of which whole rows are picked
      const rows = backend.reshape(images, [imageWidth, n * imageHeight * c]);
      const picked = cut(backend, rows, 0, [start, end, strides[1]]);
      x = backend.reshape(picked, [1, (to - from) * n, imageHeight, c]);
    } else if (end - start < imageWidth) {
      x = cut(backend, images, 1, [start * n, end * n, 1]);
    }
    const f = to - from < filterWidth ? cut(backend, filters, 1, [from, to, 1]) : filters;
    const laidOut = backend.reshape(f, [k, (to - from) * n, filterHeight, 1]);
    const y = backend.node("Conv", [x, laidOut], { ...NCHWC, attributes });
    return backend.node("ReorderOutput", [y], {
      ...NCHWC,
      attributes: { channels: k, channels_last: 0 },
    }); // [1, K, taps down, C]
  });
  return columns.length === 1
    ? columns[0]!
    : backend.node("Concat", columns, { attributes: { axis: 0 } });
}

/** Whether {@linkcode correlate}'s one filter covers the image so that no row has to be cut off. */
function fits(backend: OnnxBackend, x: tf.TensorInfo, dy: tf.TensorInfo, info: ConvInfo): boolean {
  const { padInfo, strideHeight } = info;
  const bottom = info.filterHeight - 1 - x.shape[1]! - padInfo.top +
    (dy.shape[1]! - 1) * strideHeight + 1;
  return backend.blockSize > 0 && x.shape[0]! % backend.blockSize === 0 && bottom >= 0 &&
    info.dilationHeight === 1 && info.dilationWidth === 1 && sizeOf(x.shape) > 0 &&
    padInfo.top < info.filterHeight && padInfo.left < info.filterWidth &&
    info.filterWidth <= x.shape[2]!;
}

/** dW by one product of matrices a tap, for what the blocked layout cannot do. */
function byProducts(
  backend: OnnxBackend,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  info: ConvInfo,
): string {
  const { graph } = backend;
  const { filterHeight, filterWidth, inChannels: c, outChannels: k, padInfo } = info;
  const rows = info.batchSize * info.outHeight * info.outWidth;
  const gradient = backend.reshape(backend.plain(dy), [rows, k]);
  const { top, left, bottom, right } = padInfo;
  // The last row and column of taps may reach beyond what the padding covers when strides leave a rest.
  const padded = backend.node("Pad", [
    backend.plain(x),
    graph.int64s([0, top, left, 0, 0, bottom, right, 0]),
  ]);
  const taps: string[] = [];
  for (let i = 0; i < filterHeight; i++) {
    for (let j = 0; j < filterWidth; j++) {
      const begin = [i * info.dilationHeight, j * info.dilationWidth] as const;
      const strides = [info.strideHeight, info.strideWidth] as const;
      const picked = backend.node("Slice", [
        padded,
        graph.int64s(begin),
        graph.int64s([
          begin[0] + (info.outHeight - 1) * strides[0] + 1,
          begin[1] + (info.outWidth - 1) * strides[1] + 1,
        ]),
        graph.int64s([1, 2]),
        graph.int64s(strides),
      ]);
      const product = backend.node("FusedMatMul", [backend.reshape(picked, [rows, c]), gradient], {
        domain: "com.microsoft",
        attributes: { transA: 1, transB: 0 },
      });
      taps.push(backend.reshape(product, [1, c, k]));
    }
  }
  const all = taps.length === 1
    ? taps[0]!
    : backend.node("Concat", taps, { attributes: { axis: 0 } });
  return backend.reshape(all, info.filterShape);
}

/** The kernel by its tfjs name. */
export const filterGradients: Record<string, Kernel> = {
  Conv2DBackpropFilter: ({ x, dy }, attrs, backend) => {
    const info = convInfo(x.shape, attrs.filterShape, attrs);
    const { padInfo: { top, left }, filterHeight, filterWidth } = info;
    const strides = [info.strideHeight, info.strideWidth] as const;
    const taps = [filterHeight, filterWidth] as const;
    const shape = attrs.filterShape;
    if (fits(backend, x, dy, info)) {
      if (isBlockable(backend, dy)) {
        const sums = correlate(backend, x, dy, { taps, strides, pads: [top, left] });
        return backend.tensor(backend.transpose(sums, [2, 0, 3, 1]), shape); // [j, K, i, C]
      }
      if (isBlockable(backend, x) && strides[0] === 1 && strides[1] === 1) {
        // dy has too few channels for blocks: the roles are swapped, and the taps come out reversed.
        const pads = [filterHeight - 1 - top, filterWidth - 1 - left] as const;
        const sums = correlate(backend, dy, x, { taps, strides, pads }); // [j', C, i', K]
        const { graph } = backend;
        const turned = filterHeight * filterWidth === 1 ? sums : backend.node("Slice", [
          sums,
          graph.int64s([-1, -1]),
          graph.int64s([-(filterWidth + 1), -(filterHeight + 1)]),
          graph.int64s([0, 2]),
          graph.int64s([-1, -1]),
        ]);
        return backend.tensor(backend.transpose(turned, [2, 0, 1, 3]), shape);
      }
    }
    return backend.tensor(byProducts(backend, x, dy, info), shape);
  },
};
