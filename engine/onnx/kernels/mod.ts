/** All kernels of the onnx device, those that it lacks, and their registration with tfjs. */
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../../tf.ts";
import { BACKEND_NAME, type Kernel, NoCounterpart, type OnnxBackend } from "../backend.ts";
import { isForHost, runOnHost } from "../host_kernel.ts";
import { currentOperation } from "../graph_error.ts";
import { activations } from "./elementwise/activation.ts";
import { arrangements } from "./shape/arrangement.ts";
import { constants } from "./shape/constant.ts";
import { convolutions } from "./conv/convolution.ts";
import { convolutions3d } from "./conv/convolution3d.ts";
import { depthwiseConvolutions } from "./conv/depthwise.ts";
import { divisions } from "./elementwise/division.ts";
import { elementwise } from "./elementwise/elementwise.ts";
import { filterGradients } from "./conv/filter_gradient.ts";
import { fused } from "./elementwise/fused.ts";
import { gathers } from "./shape/gather.ts";
import { inputGradients } from "./conv/input_gradient.ts";
import { fusedText } from "./elementwise/fused_text.ts";
import { matmuls } from "./reduce/matmul.ts";
import { normalizations } from "./reduce/normalization.ts";
import { poolings } from "./conv/pooling.ts";
import { reductions } from "./reduce/reduction.ts";
import { resizes } from "./conv/resize.ts";
import { scans } from "./reduce/scan.ts";
import { scatters } from "./shape/scatter.ts";
import { shapes } from "./shape/shape.ts";
import { trigonometry } from "./elementwise/trigonometry.ts";

/** All kernels by their tfjs names. */
export const kernels: Readonly<Record<string, Kernel>> = {
  ...activations,
  ...arrangements,
  ...constants,
  ...convolutions,
  ...convolutions3d,
  ...depthwiseConvolutions,
  ...divisions,
  ...elementwise,
  ...filterGradients,
  ...fused,
  ...gathers,
  ...inputGradients,
  ...fusedText,
  ...matmuls,
  ...normalizations,
  ...poolings,
  ...reductions,
  ...resizes,
  ...scans,
  ...scatters,
  ...shapes,
  ...trigonometry,
};

const COMPLEX = "ONNX Runtime computes with no complex numbers";
const DYNAMIC = "the shape of its result depends on the values of its inputs";
const NO_OPERATOR = "ONNX has no operator for it";
const STRINGS = "the device has no tensors of strings";

/** The kernels of tfjs's cpu backend that this device lacks, and the reasons. */
export const missing: Readonly<Record<string, string>> = {
  BitwiseAnd: "ONNX has it from operator set 18, and the graphs are of 17",
  Complex: COMPLEX,
  ComplexAbs: COMPLEX,
  CropAndResize: NO_OPERATOR,
  Dilation2D: NO_OPERATOR,
  Dilation2DBackpropFilter: NO_OPERATOR,
  Dilation2DBackpropInput: NO_OPERATOR,
  Draw: "it draws on a canvas",
  FFT: COMPLEX,
  IFFT: COMPLEX,
  Imag: COMPLEX,
  Multinomial: "random numbers in a graph could not be repeated",
  NonMaxSuppressionV3: DYNAMIC,
  NonMaxSuppressionV4: DYNAMIC,
  NonMaxSuppressionV5: DYNAMIC,
  RaggedGather: DYNAMIC,
  RaggedRange: DYNAMIC,
  RaggedTensorToTensor: DYNAMIC,
  Real: COMPLEX,
  SparseFillEmptyRows: DYNAMIC,
  SparseReshape: DYNAMIC,
  SparseSegmentMean: DYNAMIC,
  SparseSegmentSum: DYNAMIC,
  StaticRegexReplace: STRINGS,
  StringNGrams: STRINGS,
  StringSplit: STRINGS,
  StringToHashBucketFast: STRINGS,
  Transform: NO_OPERATOR,
  Unique: DYNAMIC,
};

/** The operation that called a kernel, for messages. */
function caller(): string {
  const operation = currentOperation();
  return operation === undefined ? "an operation of tfjs" : `${operation}()`;
}

/** Runs a kernel. Outside traced code the host runs what ONNX cannot. */
function run(
  backend: OnnxBackend,
  kernelName: string,
  inputs: tf.NamedTensorInfoMap,
  attrs: tf.NamedAttrMap,
): tf.TensorInfo | tf.TensorInfo[] {
  const kernel = kernels[kernelName];
  const onHost = () => runOnHost(backend, kernelName, inputs, attrs);
  if (!backend.tracing && (kernel === undefined || isForHost(inputs, attrs))) return onHost();
  if (kernel === undefined) {
    throw new UserError(
      `The onnx device has no kernel "${kernelName}", which ${caller()} calls: ` +
        `${
          missing[kernelName] ?? "it is not implemented"
        }. Use another operation, or the cpu device.`,
    );
  }
  try {
    return backend.record(kernelName, () => kernel(inputs, attrs, backend));
  } catch (error) {
    if (!(error instanceof NoCounterpart)) throw error;
    if (!backend.tracing) return onHost();
    throw new UserError(
      `The onnx device cannot run the kernel "${kernelName}" of ${caller()}: ${error.message}. ` +
        "Use another operation, or the cpu device.",
    );
  }
}

/**
 * Registers the kernels of a backend. The kernels that it lacks and tfjs's cpu backend has are registered,
 * too: in traced code they throw an error that names them, elsewhere they run on the host.
 */
export function registerKernels(backend: OnnxBackend): void {
  const onCpu = tf.getKernelsForBackend("cpu").map(({ kernelName }) => kernelName);
  for (const kernelName of new Set([...Object.keys(kernels), ...onCpu])) {
    tf.registerKernel({
      kernelName,
      backendName: BACKEND_NAME,
      kernelFunc: ({ inputs, attrs }) => run(backend, kernelName, inputs, attrs ?? {}),
    });
  }
}
