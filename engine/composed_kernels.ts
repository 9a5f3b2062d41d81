/** Kernels composed of tfjs's operations, for the backends wasm and tensorflow, which lack them. */
import * as tf from "./tf.ts";

/** Computes a kernel of inputs by name with tfjs's operations. */
type Composition = (
  tensors: Record<string, tf.Tensor>,
  // The type of the attributes differs from kernel to kernel.
  // deno-lint-ignore no-explicit-any
  attrs: any,
) => tf.Tensor;

/** [batch, height, width, channels], or the sizes of a filter. */
type Quad = [number, number, number, number];

/** A kernel function that runs tfjs's operations. */
function composedKernel(compute: Composition): tf.KernelFunc {
  return ({ inputs, attrs, backend }) => {
    // tf.tidy() releases one reference for each tensor that is made here of an input's memory. Without
    // an additional reference it would free the caller's tensors.
    const counted = backend as { incRef(dataId: object): void };
    return tf.tidy(() => {
      const tensors: Record<string, tf.Tensor> = {};
      for (
        const [name, info] of Object.entries(inputs as Record<string, tf.TensorInfo | undefined>)
      ) {
        if (info === undefined) continue; // an optional input, such as a fused kernel's bias
        counted.incRef(info.dataId);
        tensors[name] = tf.engine().makeTensorFromTensorInfo(info);
      }
      return compute(tensors, attrs);
    });
  };
}

/** The kernels that tfjs's wasm backend lacks and that are composed. */
export const COMPOSED_ON_WASM: readonly string[] = ["Conv2DBackpropFilter", "UnsortedSegmentSum"];

function composeOnWasm(kernelName: string, compute: Composition): void {
  if (tf.getKernel(kernelName, "wasm") !== undefined) return;
  tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: composedKernel(compute) });
}

/** Makes a reduction of an empty tensor 0. tfjs 4.22's own kernel returns uninitialised memory. */
function zeroForEmpty(kernelName: string): void {
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

/** Adds the composed kernels to tfjs's wasm backend, once. */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  ["Sum", "Mean"].forEach(zeroForEmpty);
  composeOnWasm(
    "Conv2DBackpropFilter",
    ({ x, dy }, { filterShape, strides, pad, dimRoundingMode }) => {
      const info = tf.backend_util
        .computeConv2DInfo(x!.shape as Quad, filterShape, strides, 1, pad, dimRoundingMode);
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
          const bottom = i + info.outHeight * info.strideHeight;
          const right = j + info.outWidth * info.strideWidth;
          const end = [info.batchSize, bottom, right, inChannels];
          const steps = [1, info.strideHeight, info.strideWidth, 1];
          const picked = tf.stridedSlice(padded, [0, i, j, 0], end, steps); // [N, outHeight, outWidth, C]
          const columns = tf.reshape(picked, [rows, inChannels]) as tf.Tensor2D;
          taps.push(tf.matMul(columns, gradient, true, false));
        }
      }
      return tf.reshape(tf.stack(taps), filterShape); // [h, w, C, K]
    },
  );
  composeOnWasm("UnsortedSegmentSum", ({ x, segmentIds }, { numSegments }) => {
    const rows = segmentIds!.size;
    const oneHot = tf.cast(tf.oneHot(tf.reshape(segmentIds!, [rows]), numSegments), "float32");
    const rest = x!.shape.slice(segmentIds!.rank);
    const flat = tf.reshape(x!, [rows, -1]) as tf.Tensor2D;
    return tf.reshape(tf.matMul(oneHot as tf.Tensor2D, flat, true, false), [numSegments, ...rest]);
  });
}

/** The attributes of tfjs's kernels for convolutions of images. */
interface ConvolutionAttributes {
  strides: number | [number, number];
  pad: number | "same" | "valid" | tf.backend_util.ExplicitPadding;
  dilations?: number | [number, number];
  dimRoundingMode?: "floor" | "round" | "ceil";
  dataFormat?: "NHWC" | "NCHW";
  inputShape?: Quad;
  filterShape?: Quad;
}

/** The convolutions that can be padded by numbers, and whether each is depthwise. */
const CONVOLUTIONS: Readonly<Record<string, boolean>> = {
  Conv2D: false,
  FusedConv2D: false,
  Conv2DBackpropInput: false,
  Conv2DBackpropFilter: false,
  DepthwiseConv2dNative: true,
  FusedDepthwiseConv2D: true,
  DepthwiseConv2dNativeBackpropInput: true,
  DepthwiseConv2dNativeBackpropFilter: true,
};

/**
 * A convolution padded by numbers on the tensorflow backend, whose own kernels support "same" and "valid".
 * Most paddings by numbers equal "same"; the others are composed of "valid" and tf.pad().
 */
function paddedConvolution(kernelName: string, depthwise: boolean): Composition {
  return (tensors, attrs: ConvolutionAttributes) => {
    const shape = attrs.inputShape ?? tensors["x"]!.shape as Quad;
    const filter = attrs.filterShape ?? tensors["filter"]!.shape as Quad;
    const { strides, dilations = 1, dimRoundingMode } = attrs;
    const info = (pad: ConvolutionAttributes["pad"]) =>
      tf.backend_util
        .computeConv2DInfo(shape, filter, strides, dilations, pad, dimRoundingMode, depthwise);
    const run = (inputs: typeof tensors, changed: Partial<ConvolutionAttributes>) =>
      tf.engine().runKernel(kernelName, inputs, { ...attrs, ...changed }) as tf.Tensor;
    const { top, bottom, left, right } = info(attrs.pad).padInfo;
    const same = info("same").padInfo;
    const isSame = top === same.top && bottom === same.bottom && left === same.left &&
      right === same.right;
    if (isSame) return run(tensors, { pad: "same" });
    const [samples, height, width, channels] = shape;
    if (attrs.inputShape !== undefined) { // a gradient: that of the padded input, without the padding
      const whole = run(tensors, {
        pad: "valid",
        inputShape: [samples, height + top + bottom, width + left + right, channels],
      });
      return tf.slice(whole, [0, top, left, 0], shape);
    }
    const x = tf.pad(tensors["x"]!, [[0, 0], [top, bottom], [left, right], [0, 0]]);
    return run({ ...tensors, x }, { pad: "valid" });
  };
}

/** Adds padding by numbers to the convolutions of a backend, and leaves their other paddings alone. */
export function registerPaddedConvolutions(backendName: string): void {
  for (const [kernelName, depthwise] of Object.entries(CONVOLUTIONS)) {
    const native = tf.getKernel(kernelName, backendName);
    if (native === undefined) continue;
    const compose = composedKernel(paddedConvolution(kernelName, depthwise));
    tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({
      ...native,
      kernelFunc: (params) => {
        const { pad, dataFormat } = params.attrs as unknown as ConvolutionAttributes;
        const isNative = typeof pad === "string" || dataFormat === "NCHW";
        return isNative ? native.kernelFunc(params) : compose(params);
      },
    });
  }
}
