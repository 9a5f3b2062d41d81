/** Gradients of poolings over two and three dimensions. */
import type * as tf from "../../../tf.ts";
import { sizeOf } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { maxPoolWithPlaces, poolInfo } from "./pooling.ts";
import { channelsFirst, channelsLast, spreadBack } from "./window.ts";

/** Each window's gradient goes to the largest element, the first of several. */
const maximum: Kernel = ({ dy, input }, attrs, backend) => {
  const { window } = poolInfo(input, attrs);
  const dimensions = window.kernel.length;
  const { graph } = backend;
  const [, places] = maxPoolWithPlaces(backend, input, window);
  const gradient = channelsFirst(backend, backend.plain(dy), dimensions);
  const zeros = backend.node("Expand", [graph.scalar(0), graph.int64s([sizeOf(input.shape)])]);
  const sums = backend.node("ScatterElements", [
    zeros,
    backend.reshape(places, [sizeOf(dy.shape)]),
    backend.reshape(gradient, [sizeOf(dy.shape)]),
  ], { attributes: { axis: 0, reduction: "add" } });
  const shape = input.shape as number[];
  const first = [shape[0]!, shape.at(-1)!, ...shape.slice(1, -1)];
  return backend.tensor(
    channelsLast(backend, backend.reshape(sums, first), dimensions),
    shape,
  );
};

/**
 * Each window's gradient is shared among its elements. tfjs counts the padding among them, though it
 * does not where it takes the average; so does this.
 */
const average: Kernel = ({ dy, input }, attrs, backend: OnnxBackend) => {
  const { window } = poolInfo(input, attrs);
  const { kernel, inSize, outSize } = window;
  const images = input.shape[0] * input.shape.at(-1);
  const size = sizeOf(kernel);
  const share = backend.graph.constant(
    new Float32Array(size).fill(1 / size),
    [1, 1, ...kernel],
    "float32",
  );
  const gradient = channelsFirst(backend, backend.plain(dy as tf.TensorInfo), kernel.length);
  const rows = backend.reshape(gradient, [images, 1, ...outSize]);
  const spread = spreadBack(backend, rows, share, window, 1);
  const first = [input.shape[0], input.shape.at(-1), ...inSize];
  return backend.tensor(
    channelsLast(backend, backend.reshape(spread, first), kernel.length),
    input.shape,
  );
};

/** The kernels by their tfjs names. */
export const poolingGradients: Record<string, Kernel> = {
  AvgPoolGrad: average,
  AvgPool3DGrad: average,
  MaxPoolGrad: maximum,
  MaxPool3DGrad: maximum,
};
