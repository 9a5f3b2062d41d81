/** Windows that slide over images of two or three dimensions: what poolings and convolutions share. */
import type * as tf from "../../../tf.ts";
import type { OnnxBackend } from "../../backend.ts";
import type { Attribute } from "../../proto.ts";

/** A sliding window; every list has a number for each dimension of the image. */
export interface Window {
  /** The window's elements. */
  readonly kernel: readonly number[];
  /** Steps between windows. */
  readonly strides: readonly number[];
  /** Steps between a window's elements. */
  readonly dilations: readonly number[];
  /** Elements of padding before the image. */
  readonly before: readonly number[];
  /** The image's size. */
  readonly inSize: readonly number[];
  /** Number of windows. */
  readonly outSize: readonly number[];
}

/** The window that tfjs has worked out for images [N, H, W, C]. */
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

/** The window that tfjs has worked out for images [N, D, H, W, C]. */
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

/** Along each dimension, the elements from the first window's first to the last window's last. */
function span({ kernel, strides, dilations, outSize }: Window): number[] {
  return kernel.map((k, i) => (outSize[i]! - 1) * strides[i]! + (k - 1) * dilations[i]! + 1);
}

/** Padding after the image as far as windows reach, which is less than tfjs says where steps leave a rest. */
function after(window: Window): number[] {
  return span(window).map((size, i) => Math.max(0, size - window.inSize[i]! - window.before[i]!));
}

/** The attributes of ONNX's operators that go forward over images. */
export function windowAttributes(window: Window): Record<string, Attribute> {
  const { kernel, strides, dilations, before } = window;
  return { kernel_shape: kernel, strides, dilations, pads: [...before, ...after(window)] };
}

/** Turns a value [N, ..., C] to [N, C, ...]. */
export function channelsFirst(backend: OnnxBackend, value: string, dimensions: number): string {
  const image = Array.from({ length: dimensions }, (_, i) => i + 1);
  return backend.transpose(value, [0, dimensions + 1, ...image]);
}

/** Turns a value [N, C, ...] to [N, ..., C]. */
export function channelsLast(backend: OnnxBackend, value: string, dimensions: number): string {
  const image = Array.from({ length: dimensions }, (_, i) => i + 2);
  return backend.transpose(value, [0, ...image, 1]);
}

/**
 * The transpose of a convolution: every window's number, times the filter, back to where the window was.
 *
 * @param dy A value [N, O, windows...].
 * @param filter A value [O, I / group, kernel...].
 * @returns A value [N, I, image...].
 */
export function spreadBack(
  backend: OnnxBackend,
  dy: string,
  filter: string,
  window: Window,
  group: number,
): string {
  const { kernel, strides, dilations, before, inSize } = window;
  const whole = backend.node("ConvTranspose", [dy, filter], {
    attributes: { kernel_shape: kernel, strides, dilations, group },
  });
  // What belongs to the padding goes, and what no window reached comes: cuts are negative here.
  const rest = span(window).map((size, i) => inSize[i]! + before[i]! - size);
  if ([...before, ...rest].every((cut) => cut === 0)) return whole;
  const cuts = [0, 0, ...before.map((cut) => -cut), 0, 0, ...rest];
  return backend.node("Pad", [whole, backend.graph.int64s(cuts)]);
}

/**
 * For each of the kernel's places, in order, that element of every window.
 *
 * @param x A value [N, image..., C].
 * @returns Values [N, windows..., C].
 */
export function taps(backend: OnnxBackend, x: string, window: Window): string[] {
  const { kernel, strides, dilations, before, outSize } = window;
  const { graph } = backend;
  const padded = backend.node("Pad", [
    x,
    graph.int64s([0, ...before, 0, 0, ...after(window), 0]),
  ]);
  const axes = graph.int64s(kernel.map((_, i) => i + 1));
  const count = kernel.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, (_, tap) => {
    let rest = tap;
    const begin = kernel.toReversed().map((k, i) => {
      const place = rest % k;
      rest = Math.floor(rest / k);
      return place * dilations.at(-1 - i)!;
    }).reverse();
    const end = begin.map((from, i) => from + (outSize[i]! - 1) * strides[i]! + 1);
    const [from, to, steps] = [begin, end, strides].map((list) => graph.int64s(list));
    return backend.node("Slice", [padded, from!, to!, axes, steps!]);
  });
}
