/** Kernels that tfjs's wasm backend lacks, put together from those that it has. */
import { composedKernel, type Composition } from "./composed_kernels.ts";
import * as tf from "./tf.ts";

/** The kernels that are composed. */
export const COMPOSED_ON_WASM: readonly string[] = ["Conv2DBackpropFilter", "UnsortedSegmentSum"];

function composed(kernelName: string, compute: Composition): void {
  if (tf.getKernel(kernelName, "wasm") !== undefined) return;
  tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: composedKernel(compute) });
}

/** Of nothing tfjs 4.22's kernels give what the memory held before. */
function zeroOfNothing(kernelName: string): void {
  const native = tf.getKernel(kernelName, "wasm");
  const zeros = composedKernel(({ x }, { axis, keepDims }) => {
    const axes = tf.util.parseAxisParam(axis, x!.shape);
    const [rest] = tf.backend_util.computeOutAndReduceShapes(x!.shape, axes);
    const shape = keepDims ? tf.backend_util.expandShapeToKeepDim(rest, axes) : rest;
    return tf.zeros(shape, x!.dtype === "bool" ? "int32" : x!.dtype);
  });
  tf.unregisterKernel(kernelName, "wasm");
  tf.registerKernel({
    ...native,
    kernelFunc: (params) => {
      const { x } = params.inputs as unknown as { x: tf.TensorInfo };
      return x.shape.includes(0) ? zeros(params) : native.kernelFunc(params);
    },
  });
}

let registered = false;

/** Adds the kernels; doing so again is harmless. */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  ["Sum", "Mean"].forEach(zeroOfNothing);
  composed("Conv2DBackpropFilter", ({ x, dy }, { filterShape, strides, pad, dimRoundingMode }) => {
    const info = tf.backend_util.computeConv2DInfo(
      x!.shape as [number, number, number, number],
      filterShape,
      strides,
      1,
      pad,
      dimRoundingMode,
      false,
      "channelsLast",
    );
    const { filterHeight, filterWidth, inChannels, outChannels, padInfo } = info;
    const rows = info.batchSize * info.outHeight * info.outWidth;
    const padded = tf.pad(x!, [
      [0, 0],
      [padInfo.top, padInfo.bottom + info.strideHeight],
      [padInfo.left, padInfo.right + info.strideWidth],
      [0, 0],
    ]);
    const gradient = tf.reshape(dy!, [rows, outChannels]) as tf.Tensor2D;
    const taps: tf.Tensor[] = [];
    for (let i = 0; i < filterHeight; i++) {
      for (let j = 0; j < filterWidth; j++) {
        const picked = tf.stridedSlice(
          padded,
          [0, i, j, 0],
          [
            info.batchSize,
            i + info.outHeight * info.strideHeight,
            j + info.outWidth * info.strideWidth,
            inChannels,
          ],
          [1, info.strideHeight, info.strideWidth, 1],
        ); // [N, outHeight, outWidth, C]
        const columns = tf.reshape(picked, [rows, inChannels]) as tf.Tensor2D;
        taps.push(tf.matMul(columns, gradient, true, false));
      }
    }
    return tf.reshape(tf.stack(taps), filterShape); // [h, w, C, K]
  });
  composed("UnsortedSegmentSum", ({ x, segmentIds }, { numSegments }) => {
    const rows = segmentIds!.size;
    const oneHot = tf.cast(tf.oneHot(tf.reshape(segmentIds!, [rows]), numSegments), "float32");
    const rest = x!.shape.slice(segmentIds!.rank);
    const flat = tf.reshape(x!, [rows, -1]) as tf.Tensor2D;
    return tf.reshape(tf.matMul(oneHot as tf.Tensor2D, flat, true, false), [numSegments, ...rest]);
  });
}
