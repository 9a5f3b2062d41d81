/**
 * Gradients of convolutions with respect to their filters:
 * dW[i, j, c, k] = sum over n, h, w of x[n, h*s + i - top, w*s + j - left, c] * dy[n, h, w, k].
 *
 * As products of matrices this is slow, because of the copies. It is computed as one convolution, with
 * other roles for the axes. The samples n are the input channels. The filter is dy as [K, N, H, W], as
 * large as an image. The image is x as [1, N, H, W*C]: its width contains the columns and the channels of
 * x. With the filter's columns C apart (a dilation of C), the output at (i, j*C + c) is dW[i, j, c, :]. If
 * x has the blocked layout, [N, C/b, H, W*b], the blocks of channels become the batch. The image's width is
 * padded beforehand, because ONNX Runtime is slow at outputs that need padding on the left or right.
 *
 * This runs at the speed of the forward pass (370 to 510 GFLOPS for 28x28x32 to 7x7x64 at batch 64 on two
 * AVX-512 cores), and needs two cheap changes of layout. A convolution over shifted slices for each
 * horizontal tap took 1.4 times as long in all, and products of matrices twice as long.
 */
import type { TensorInfo } from "../../../tf.ts";
import { sizeOf } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { NCHWC } from "../../graph.ts";
import { convAttributes, isBlockable, isBlocked, type Quad } from "../../layout.ts";
import { inEitherFormat } from "./channels_first.ts";
import { type ConvInfo, convInfo } from "./convolution.ts";
import { filterGradient, window2d } from "./window.ts";

/**
 * Swaps the first two axes of [a, b, rest]. A Gather of whole chunks runs on all threads, a Transpose on one:
 * a step of the small preset took 800 instead of 866 ms. A step of the nano preset with 128 images took as
 * long with either.
 */
function swapOuter(
  backend: OnnxBackend,
  value: string,
  [a, b, rest]: readonly [number, number, number],
): string {
  if (a === 1 || b === 1) return value;
  const order = Array.from({ length: a * b }, (_, i) => (i % a) * b + Math.floor(i / a));
  return backend.pick(backend.reshape(value, [a * b, rest]), order, 0);
}

/**
 * A tensor [N, H, W, C] as the image of {@linkcode correlate}: a value
 * [outer, N, H, (left + W + right) * inner], blocked over N, of outer = C / inner images with `inner` channels
 * in their width.
 */
function asImages(backend: OnnxBackend, x: TensorInfo, [left, right]: readonly [number, number]) {
  const [n, h, w, c] = x.shape as Quad;
  const b = backend.blockSize;
  const [outer, inner] = isBlocked(backend, x) ? [c / b, b] : [1, c];
  const rows = isBlocked(backend, x)
    ? backend.reshape(
      swapOuter(backend, backend.blocked(x), [n, outer, h * w * inner]),
      [outer, n, h, w * inner],
    )
    : backend.reshape(backend.plain(x), [1, n, h, w * c]);
  const pads = backend.int64s([0, 0, 0, left * inner, 0, 0, 0, right * inner]);
  const padded = left + right === 0 ? rows : backend.node("Pad", [rows, pads]);
  const value = backend.node("ReorderInput", [padded], { channels_last: 0 }, NCHWC);
  return { value, outer, inner };
}

/** A tensor [N, H, W, K] as a filter [K, N, H, W] in the layout [K/b, N/b, H, W, b of N, b of K]. */
function asFilter(backend: OnnxBackend, dy: TensorInfo): string {
  const [n, h, w, k] = dy.shape as Quad;
  const b = backend.blockSize;
  if (!isBlocked(backend, dy)) {
    const split = backend.reshape(backend.plain(dy), [n / b, b, h * w, k / b, b]);
    return backend.reshape(backend.transpose(split, [3, 0, 2, 1, 4]), [k, n, h, w]);
  }
  // In memory, b samples of blocked images are one blocked image of b*b channels.
  const grouped = backend.reshape(backend.blocked(dy), [n / b, b * b, (k / b) * h, w]);
  const pixels = backend.node(
    "ReorderOutput",
    [grouped],
    { channels: b * b, channels_last: 1 },
    NCHWC,
  ); // [N/b, K/b * H, W, b of N * b of K]
  return backend.reshape(swapOuter(backend, pixels, [n / b, k / b, h * w * b * b]), [k, n, h, w]);
}

/**
 * Correlates two tensors over samples, rows and columns.
 *
 * @returns A value [K, C, rows of taps, columns of taps]: for every tap (i, j) the sums of
 * image[n, h*s + i - top, w*s + j - left, c] * filter[n, h, w, k].
 */
function correlate(backend: OnnxBackend, image: TensorInfo, filter: TensorInfo, options: {
  taps: readonly [number, number];
  strides: readonly [number, number];
  /** The padding above and on the left. */
  pads: readonly [number, number];
}): string {
  const { taps, strides, pads } = options;
  const [, imageHeight, imageWidth, c] = image.shape as Quad;
  const [, filterHeight, filterWidth, k] = filter.shape as Quad;
  const rest = (taps: number, size: number, stride: number, before: number, images: number) =>
    (size - 1) * stride + taps - before - images;
  const below = rest(taps[0], filterHeight, strides[0], pads[0], imageHeight);
  const right = rest(taps[1], filterWidth, strides[1], pads[1], imageWidth);
  const { value, outer, inner } = asImages(backend, image, [pads[1], right]);
  const sums = backend.node(
    "Conv",
    [value, asFilter(backend, filter)],
    convAttributes({
      kernel: [filterHeight, filterWidth],
      dilations: [strides[0], strides[1] * inner],
      pads: [pads[0], 0, below, 0],
    }),
    NCHWC,
  );
  const plain = backend.node("ReorderOutput", [sums], { channels: k, channels_last: 0 }, NCHWC);
  const split = backend.reshape(plain, [outer, k, taps[0], taps[1], inner]);
  return backend.reshape(backend.transpose(split, [1, 0, 4, 2, 3]), [k, c, ...taps]);
}

/** Whether {@linkcode correlate} can compute it: whole blocks of samples, and no rows or columns to crop. */
function fits(backend: OnnxBackend, x: TensorInfo, dy: TensorInfo, info: ConvInfo): boolean {
  const { padInfo: { top, left }, filterHeight, filterWidth } = info;
  const below = (dy.shape[1]! - 1) * info.strideHeight + filterHeight - top - x.shape[1]!;
  const right = (dy.shape[2]! - 1) * info.strideWidth + filterWidth - left - x.shape[2]!;
  return backend.blockSize > 0 && x.shape[0]! % backend.blockSize === 0 && sizeOf(x.shape) > 0 &&
    info.dilationHeight === 1 && info.dilationWidth === 1 && below >= 0 && right >= 0 &&
    top < filterHeight && left < filterWidth;
}

export const filterGradients: Record<string, Kernel> = {
  Conv2DBackpropFilter: inEitherFormat(
    ({ x, dy }, attrs, backend) => {
      const info = convInfo(x.shape, attrs.filterShape, attrs);
      const { padInfo: { top, left }, filterHeight, filterWidth } = info;
      const strides = [info.strideHeight, info.strideWidth] as const;
      const taps = [filterHeight, filterWidth] as const;
      const shape = attrs.filterShape;
      if (fits(backend, x, dy, info)) {
        // The image is padded, and copied once more than the filter: the smaller tensor should be the image.
        const swapped = strides[0] === 1 && strides[1] === 1 && isBlockable(backend, x) &&
          (!isBlockable(backend, dy) || dy.shape[3]! < x.shape[3]!);
        // Parameters are stored as [K, C, h, w], so later transposes cancel this one to [h, w, C, K].
        const asFilter = (value: string) =>
          backend.tensor(backend.transpose(value, [2, 3, 1, 0]), shape);
        if (isBlockable(backend, dy) && !swapped) {
          return asFilter(correlate(backend, x, dy, { taps, strides, pads: [top, left] }));
        }
        if (swapped) {
          const pads = [filterHeight - 1 - top, filterWidth - 1 - left] as const;
          const value = correlate(backend, dy, x, { taps, strides, pads }); // [C, K, h, w]
          // Transposed before its taps are reversed: transposes do not cancel across a Slice.
          const transposed = backend.transpose(value, [1, 0, 2, 3]);
          const isPoint = filterHeight * filterWidth === 1;
          return asFilter(isPoint ? transposed : backend.reverse(transposed, [2, 3]));
        }
      }
      return filterGradient(backend, x, dy, window2d(info), shape);
    },
    ["x", "dy"],
    false,
  ),
};
