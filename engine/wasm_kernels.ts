/** Kernels that tfjs's wasm backend lacks, put together from those that it has. */
import * as tf from "./tf.ts";

type Inputs = Record<string, tf.TensorInfo>;

/** Runs tfjs operations inside a kernel and hands the result over to the engine. */
function composed(
  kernelName: string,
  // deno-lint-ignore no-explicit-any
  compute: (tensors: Record<string, tf.Tensor>, attrs: any) => tf.Tensor,
): void {
  if (tf.getKernel(kernelName, "wasm") !== undefined) return;
  tf.registerKernel({
    kernelName,
    backendName: "wasm",
    kernelFunc: ({ inputs, attrs, backend }) => {
      // The engine counts a reference for each tensor that it makes of a buffer, and gives it back
      // when the tidy ends; without these the caller's inputs would be freed.
      const counted = backend as { incRef(dataId: object): void };
      return tf.tidy(() => {
        const tensors = Object.fromEntries(
          Object.entries(inputs as unknown as Inputs).map(([name, info]) => {
            counted.incRef(info.dataId);
            return [name, tf.engine().makeTensorFromTensorInfo(info)];
          }),
        );
        return compute(tensors, attrs);
      });
    },
  });
}

/** Adds the kernels; doing so again is harmless. */
export function registerWasmKernels(): void {
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
