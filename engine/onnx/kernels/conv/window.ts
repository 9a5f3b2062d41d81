/** Sliding windows over images of two or three dimensions, which pooling and convolutions use. */
import type * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import { sizeOf } from "../../../tree.ts";
import type { OnnxBackend } from "../../backend.ts";
import type { Attribute } from "../../proto.ts";

/** A sliding window. Every list has a number for each dimension of the image. */
export interface Window {
  /** The size of the window. */
  readonly kernel: readonly number[];
  /** The distance between windows. */
  readonly strides: readonly number[];
  /** The distance between the elements of a window. */
  readonly dilations: readonly number[];
  /** The padding before the image. */
  readonly before: readonly number[];
  /** The size of the image. */
  readonly inSize: readonly number[];
  /** The number of windows. */
  readonly outSize: readonly number[];
}

/** The window of tfjs's geometry for images [N, H, W, C]. */
export function window2d(info: tf.backend_util.Conv2DInfo): Window {
  return {
    kernel: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    before: [info.padInfo.top, info.padInfo.left],
    inSize: [info.inHeight, info.inWidth],
    outSize: [info.outHeight, info.outWidth],
  };
}

/** The window of tfjs's geometry for images [N, D, H, W, C]. */
export function window3d(info: tf.backend_util.Conv3DInfo): Window {
  return {
    kernel: [info.filterDepth, info.filterHeight, info.filterWidth],
    strides: [info.strideDepth, info.strideHeight, info.strideWidth],
    dilations: [info.dilationDepth, info.dilationHeight, info.dilationWidth],
    before: [info.padInfo.front, info.padInfo.top, info.padInfo.left],
    inSize: [info.inDepth, info.inHeight, info.inWidth],
    outSize: [info.outDepth, info.outHeight, info.outWidth],
  };
}

/** The extent of all windows along each dimension, from the first element to the last. */
function span({ kernel, strides, dilations, outSize }: Window): number[] {
  return kernel.map((k, i) => (outSize[i]! - 1) * strides[i]! + (k - 1) * dilations[i]! + 1);
}

/** The padding after the image that windows reach. It is less than tfjs's if the strides leave a rest. */
function after(window: Window): number[] {
  return span(window).map((size, i) => Math.max(0, size - window.inSize[i]! - window.before[i]!));
}

/** The attributes of ONNX's forward operators. */
export function windowAttributes(window: Window): Record<string, Attribute> {
  const { kernel, strides, dilations, before } = window;
  return { kernel_shape: kernel, strides, dilations, pads: [...before, ...after(window)] };
}

/** Transposes a value [N, ..., C] to [N, C, ...]. */
export function channelsFirst(backend: OnnxBackend, value: string, dimensions: number): string {
  const image = Array.from({ length: dimensions }, (_, i) => i + 1);
  return backend.transpose(value, [0, dimensions + 1, ...image]);
}

/** Transposes a value [N, C, ...] to [N, ..., C]. */
export function channelsLast(backend: OnnxBackend, value: string, dimensions: number): string {
  const image = Array.from({ length: dimensions }, (_, i) => i + 2);
  return backend.transpose(value, [0, ...image, 1]);
}

/**
 * The transpose of a convolution: adds the filter, times the number of each window, at the window's position.
 *
 * @param dy A value [N, O, windows...].
 * @param filter A value [O, I / group, kernel...].
 * @returns A value [N, I, image...].
 */
export function transposedConvolution(
  backend: OnnxBackend,
  dy: string,
  filter: string,
  window: Window,
  group: number,
): string {
  const { kernel, strides, dilations, before, inSize } = window;
  const whole = backend.node("ConvTranspose", [dy, filter], {
    kernel_shape: kernel,
    strides,
    dilations,
    group,
  });
  // Crops the padding, and adds zeros where no window reached; Pad crops by negative numbers.
  const rest = span(window).map((size, i) => inSize[i]! + before[i]! - size);
  if ([...before, ...rest].every((cut) => cut === 0)) return whole;
  const cuts = [0, 0, ...before.map((cut) => -cut), 0, 0, ...rest];
  return backend.node("Pad", [whole, backend.int64s(cuts)]);
}

/** The gradient of a convolution with respect to its filter: a product of matrices for each tap. */
export function filterGradient(
  backend: OnnxBackend,
  x: TensorInfo,
  dy: TensorInfo,
  window: Window,
  filterShape: readonly number[],
): TensorInfo {
  const [c, k] = filterShape.slice(-2) as [number, number];
  const rows = sizeOf(dy.shape) / k;
  const gradient = backend.reshape(backend.plain(dy), [rows, k]);
  const products = taps(backend, backend.plain(x), window).map((tap) => {
    const product = backend.product([backend.reshape(tap, [rows, c]), gradient], [true, false]);
    return backend.reshape(product, [1, c, k]);
  });
  const all = backend.node("Concat", products, { axis: 0 });
  return backend.tensor(backend.reshape(all, filterShape), filterShape);
}

/**
 * For each element of the window, in row-major order, that element of every window.
 *
 * @param x A value [N, image..., C].
 * @returns Values [N, windows..., C].
 */
export function taps(backend: OnnxBackend, x: string, window: Window): string[] {
  const { kernel, strides, dilations, before, outSize } = window;
  const padded = backend.node("Pad", [
    x,
    backend.int64s([0, ...before, 0, 0, ...after(window), 0]),
  ]);
  const axes = backend.int64s(kernel.map((_, i) => i + 1));
  const count = kernel.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, (_, tap) => {
    let rest = tap;
    const begin = kernel.toReversed().map((k, i) => {
      const place = rest % k;
      rest = Math.floor(rest / k);
      return place * dilations.at(-1 - i)!;
    }).reverse();
    const end = begin.map((from, i) => from + (outSize[i]! - 1) * strides[i]! + 1);
    const [from, to, steps] = [begin, end, strides].map((list) => backend.int64s(list));
    return backend.node("Slice", [padded, from!, to!, axes, steps!]);
  });
}
