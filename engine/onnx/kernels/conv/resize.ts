/**
 * Resizing of images [N, H, W, C]. The rows, columns and weights are computed during the trace, with tfjs's
 * arithmetic. The graph has only lookups (forward) and products with constant matrices (gradients).
 */
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { NCHWC } from "../../graph.ts";
import { isBlockable, type Quad } from "../../layout.ts";
import { toChannelsFirst, toChannelsLast } from "./convolution.ts";
import { plainAs } from "../elementwise/expression.ts";

/** The mapping from positions of the result to positions of the image. */
interface Mapping {
  /** Whether the first and the last pixels coincide. */
  alignCorners: boolean;
  /** Whether the position of a pixel is that of its centre. */
  halfPixelCenters?: boolean;
}

/** The number of the image's pixels for a pixel of the result, along one axis. */
function ratio(from: number, to: number, alignCorners: boolean): number {
  return alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
}

/** The nearest position of the image for each position of the result. */
function nearest(from: number, to: number, { alignCorners, halfPixelCenters }: Mapping): number[] {
  const scale = ratio(from, to, alignCorners);
  const round = alignCorners ? Math.round : Math.floor;
  return Array.from(
    { length: to },
    (_, i) => Math.min(from - 1, round(scale * (halfPixelCenters ? i + 0.5 : i))),
  );
}

/** The two neighbours in the image of each position of the result, and the fraction of the second. */
function neighbours(from: number, to: number, { alignCorners, halfPixelCenters }: Mapping) {
  const scale = ratio(from, to, alignCorners);
  const places = Array.from(
    { length: to },
    (_, i) => halfPixelCenters ? scale * (i + 0.5) - 0.5 : scale * i,
  );
  const before = places.map((place) => Math.max(0, Math.floor(place)));
  return {
    before,
    after: places.map((place) => Math.min(from - 1, Math.ceil(place))),
    fraction: places.map((place, i) => place - before[i]!),
  };
}

/** a + (b - a) * fraction along an axis of a value of rank 4. */
function interpolate(backend: OnnxBackend, value: string, axis: number, between: {
  before: readonly number[];
  after: readonly number[];
  fraction: readonly number[];
}): string {
  const first = backend.pick(value, between.before, axis);
  const second = backend.pick(value, between.after, axis);
  const shape = [1, 1, 1, 1].with(axis, between.fraction.length);
  const fraction = backend.constant(between.fraction, shape, "float32");
  const step = backend.node("Mul", [backend.node("Sub", [second, first]), fraction]);
  return backend.node("Add", [first, step]);
}

/** weights[i][j] is the weight of the image's pixel j in the result's pixel i. */
type Weights = readonly ReadonlyMap<number, number>[];

/** The gradient [N, H, W, C] for dy [N, H', W', C]: every pixel sums its weights times dy. */
function collect(
  backend: OnnxBackend,
  dy: TensorInfo,
  [rows, columns]: readonly [Weights, Weights],
  shape: readonly number[],
): TensorInfo {
  const [, h, w] = shape as Quad;
  const matrix = (weights: Weights, size: number, transposed: boolean) => {
    const values = new Float32Array(weights.length * size);
    weights.forEach((row, i) => {
      for (const [j, weight] of row) {
        values[transposed ? j * weights.length + i : i * size + j] = weight;
      }
    });
    const dimensions = transposed ? [size, weights.length] : [weights.length, size];
    return backend.constant(values, dimensions, "float32");
  };
  const image = toChannelsFirst(backend, backend.plain(dy), dy.shape); // [N, C, H', W']
  const narrow = backend.node("MatMul", [image, matrix(columns, w, false)]);
  const value = backend.node("MatMul", [matrix(rows, h, true), narrow]);
  return backend.tensor(toChannelsLast(backend, value), shape);
}

/** Enlarges by whole factors. Each pixel becomes a block of pixels. */
function repeated(
  backend: OnnxBackend,
  images: TensorInfo,
  [vertical, horizontal]: readonly [number, number],
): TensorInfo {
  const [n, h, w, c] = images.shape as Quad;
  const shape = [n, h * vertical, w * horizontal, c];
  if (isBlockable(backend, images)) {
    return backend.blockedTensor(
      backend.node("Upsample", [backend.blocked(images)], {
        scales: [1, 1, vertical, horizontal],
        mode: "nearest",
        coordinate_transformation_mode: "asymmetric",
      }, NCHWC),
      shape,
    );
  }
  const rows = backend.reshape(backend.plain(images), [n, h, 1, w, 1, c]);
  const repeats = backend.int64s([n, h, vertical, w, horizontal, c]);
  const expanded = backend.node("Expand", [rows, repeats]);
  return backend.tensor(backend.reshape(expanded, shape), shape, images.dtype);
}

const sizes = (x: TensorInfo) => [x.shape[1]!, x.shape[2]!] as const;

export const resizes: Record<string, Kernel> = {
  ResizeNearestNeighbor: ({ images }, attrs, backend) => {
    const [n, h, w, c] = images.shape;
    const [height, width] = attrs.size;
    if (height % h === 0 && width % w === 0 && !attrs.alignCorners) {
      return repeated(backend, images, [height / h, width / w]);
    }
    const tall = backend.pick(backend.plain(images), nearest(h, height, attrs), 1);
    const value = backend.pick(tall, nearest(w, width, attrs), 2);
    return backend.tensor(value, [n, height, width, c], images.dtype);
  },
  // Like tfjs's own, these gradients ignore halfPixelCenters.
  ResizeNearestNeighborGrad: ({ images, dy }, { alignCorners }, backend) => {
    const [from, to] = [sizes(images), sizes(dy)];
    const along = (axis: 0 | 1): Weights =>
      nearest(from[axis], to[axis], { alignCorners }).map((source) => new Map([[source, 1]]));
    return collect(backend, dy, [along(0), along(1)], images.shape);
  },
  ResizeBilinear: ({ images }, attrs, backend) => {
    const [n, h, w, c] = images.shape;
    const [height, width] = attrs.size;
    const image = plainAs(backend, images, "float32");
    const wide = interpolate(backend, image, 2, neighbours(w, width, attrs));
    const value = interpolate(backend, wide, 1, neighbours(h, height, attrs));
    return backend.tensor(value, [n, height, width, c]);
  },
  ResizeBilinearGrad: ({ images, dy }, { alignCorners }, backend) => {
    const [from, to] = [sizes(images), sizes(dy)];
    const along = (axis: 0 | 1): Weights => {
      const { before, after, fraction } = neighbours(from[axis], to[axis], { alignCorners });
      return before.map((first, i) => {
        const weights = new Map([[first, 1 - fraction[i]!]]);
        return weights.set(after[i]!, (weights.get(after[i]!) ?? 0) + fraction[i]!);
      });
    };
    return collect(backend, dy, [along(0), along(1)], images.shape);
  },
};
