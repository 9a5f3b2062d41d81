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

/** Replaces a kernel of the wasm backend by a composition, where it applies. */
function composeWhere(kernelName: string, compute: (native: tf.KernelConfig) => Composition): void {
  const native = tf.getKernel(kernelName, "wasm");
  tf.unregisterKernel(kernelName, "wasm");
  tf.registerKernel({ ...native, kernelFunc: composedKernel(compute(native)) });
}

/** Runs a kernel as it was before it was replaced. */
function runNative(
  { kernelFunc }: tf.KernelConfig,
  inputs: Record<string, tf.Tensor>,
  attrs: object,
): tf.Tensor {
  const params = { inputs, attrs: attrs as tf.NamedAttrMap, backend: tf.backend() };
  return tf.engine().makeTensorFromTensorInfo(kernelFunc(params) as tf.TensorInfo);
}

/** One axis of a transposed convolution: what the outputs p, p + stride, p + 2 stride, ... are made of. */
interface Phase {
  /** The first row of the reversed filter; the others follow in steps of the stride. */
  readonly first: number;
  /** Zeros in front of the inputs and behind them. */
  readonly pad: [number, number];
}

/**
 * The phases of an axis. Output u = stride i + p is the sum over the taps k of dy[(u + before - k) / stride],
 * where that is an integer: the taps of every phase are those of one residue.
 *
 * @returns undefined if the phases differ in their number of taps, or have inputs that they do not use.
 */
function phasesOf(
  { size, inputs, taps, stride, before }: Record<
    "size" | "inputs" | "taps" | "stride" | "before",
    number
  >,
): Phase[] | undefined {
  if (size % stride !== 0) return undefined;
  const phases = Array.from({ length: stride }, (_, p): Phase => {
    const [residue, shift] = [(p + before) % stride, Math.floor((p + before) / stride)];
    const count = Math.ceil((taps - residue) / stride);
    return {
      first: taps - 1 - residue - stride * (count - 1),
      pad: [count - 1 - shift, size / stride + shift - inputs],
    };
  });
  const isPadded = phases.every(({ pad }) => pad.every((zeros) => zeros >= 0));
  return taps % stride === 0 && isPadded ? phases : undefined;
}

/** Every nth element of an axis. tfjs's own strided slice is ten times as slow. */
function everyNth(x: tf.Tensor, axis: number, first: number, n: number): tf.Tensor {
  const { shape } = x;
  const outer = shape.slice(0, axis).reduce((size, length) => size * length, 1);
  const groups = tf.reshape(x, [outer, shape[axis]! / n, n, -1]);
  const [, , , inner] = groups.shape as Quad;
  const picked = tf.slice(groups, [0, 0, first, 0], [outer, shape[axis]! / n, 1, inner]);
  return tf.reshape(picked, shape.with(axis, shape[axis]! / n));
}

/**
 * The gradient of a convolution with respect to its input, which is also the transposed convolution, as
 * stride^2 small convolutions whose results are interleaved. tfjs 4.22's own kernel is a loop without SIMD.
 */
function convolutionInputGradient(native: tf.KernelConfig): Composition {
  return ({ dy, filter }, attrs: ConvolutionAttributes) => {
    const { inputShape, strides, pad, dimRoundingMode, dataFormat } = attrs;
    const info = tf.backend_util
      .computeConv2DInfo(inputShape!, filter!.shape as Quad, strides, 1, pad, dimRoundingMode);
    const { inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth, padInfo } = info;
    const { strideHeight, strideWidth, batchSize, inChannels } = info;
    const rows = phasesOf({
      ...{ size: inHeight, inputs: outHeight, taps: filterHeight },
      ...{ stride: strideHeight, before: padInfo.top },
    });
    const columns = phasesOf({
      ...{ size: inWidth, inputs: outWidth, taps: filterWidth },
      ...{ stride: strideWidth, before: padInfo.left },
    });
    if (rows === undefined || columns === undefined || dataFormat === "NCHW") {
      return runNative(native, { dy: dy!, filter: filter! }, attrs);
    }
    const reversed = tf.transpose(tf.reverse(filter!, [0, 1]), [0, 1, 3, 2]);
    const lines = rows.map((row) => {
      const ofRow = everyNth(reversed, 0, row.first, strideHeight);
      const outputs = columns.map((column) => {
        const padded = tf.pad(dy!, [[0, 0], row.pad, column.pad, [0, 0]]) as tf.Tensor4D;
        const taps = everyNth(ofRow, 1, column.first, strideWidth);
        return tf.conv2d(padded, taps as tf.Tensor4D, 1, "valid");
      });
      return tf.reshape(tf.stack(outputs, 3), [
        batchSize,
        inHeight / strideHeight,
        inWidth,
        inChannels,
      ]);
    });
    return tf.reshape(tf.stack(lines, 2), inputShape!);
  };
}

/** Products of matrices: tfjs 4.22 computes those without transposed factors 10 times as fast. */
function untransposedProduct(native: tf.KernelConfig): Composition {
  return ({ a, b }, attrs: { transposeA: boolean; transposeB: boolean }) => {
    const turned = (x: tf.Tensor, isTransposed: boolean) =>
      isTransposed ? tf.transpose(x, [...Array(x.rank - 2).keys(), x.rank - 1, x.rank - 2]) : x;
    const factors = { a: turned(a!, attrs.transposeA), b: turned(b!, attrs.transposeB) };
    return runNative(native, factors, { transposeA: false, transposeB: false });
  };
}

let registered = false;

/** Adds the composed kernels to tfjs's wasm backend, once. */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  ["Sum", "Mean"].forEach(zeroForEmpty);
  composeWhere("BatchMatMul", untransposedProduct);
  composeWhere("Conv2DBackpropInput", convolutionInputGradient);
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
