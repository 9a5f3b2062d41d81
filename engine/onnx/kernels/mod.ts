/** All kernels of the onnx device, and their registration with tfjs. */
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../../tf.ts";
import { BACKEND_NAME, type Kernel, type OnnxBackend } from "../backend.ts";
import { isForHost, runOnHost } from "../host_kernel.ts";
import { currentOperation } from "../operation.ts";
import { NoCounterpart } from "../refusals.ts";
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
import { missing } from "./missing.ts";
import { normalizations } from "./reduce/normalization.ts";
import { poolings } from "./conv/pooling.ts";
import { poolingGradients } from "./conv/pooling_gradient.ts";
import { reductions } from "./reduce/reduction.ts";
import { resizes } from "./conv/resize.ts";
import { scans } from "./reduce/scan.ts";
import { scatters } from "./shape/scatter.ts";
import { shapes } from "./shape/shape.ts";
import { trigonometry } from "./elementwise/trigonometry.ts";

/** Every kernel by its tfjs name. */
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
  ...poolingGradients,
  ...poolings,
  ...reductions,
  ...resizes,
  ...scans,
  ...scatters,
  ...shapes,
  ...trigonometry,
};

function asker(): string {
  const operation = currentOperation();
  return operation === undefined ? "an operation of tfjs" : `${operation}()`;
}

/** Runs a kernel; on the host outside traced code, where ONNX has nothing for it. */
function run(
  backend: OnnxBackend,
  kernelName: string,
  inputs: tf.NamedTensorInfoMap,
  attrs: tf.NamedAttrMap,
): tf.TensorInfo | tf.TensorInfo[] {
  if (!backend.tracing && isForHost(inputs, attrs)) {
    return runOnHost(backend, kernelName, inputs, attrs);
  }
  try {
    return backend.record(kernelName, () => kernels[kernelName]!(inputs, attrs, backend));
  } catch (error) {
    if (!(error instanceof NoCounterpart)) throw error;
    if (!backend.tracing) return runOnHost(backend, kernelName, inputs, attrs);
    throw new UserError(
      `The onnx device has no kernel "${kernelName}" for what ${asker()} asked for: ` +
        `${error.message}. Use another operation, or --device cpu.`,
    );
  }
}

/**
 * Registers the kernels for the backend. Kernels that tfjs has on its cpu device and this one has not
 * are registered as well, to say so by name when they are asked for in traced code, and to run on the
 * host elsewhere.
 */
export function registerKernels(backend: OnnxBackend): void {
  for (const kernelName of Object.keys(kernels)) {
    tf.registerKernel({
      kernelName,
      backendName: BACKEND_NAME,
      kernelFunc: ({ inputs, attrs }) => run(backend, kernelName, inputs, attrs ?? {}),
    });
  }
  for (const { kernelName } of tf.getKernelsForBackend("cpu")) {
    if (kernels[kernelName] !== undefined) continue;
    tf.registerKernel({
      kernelName,
      backendName: BACKEND_NAME,
      kernelFunc: ({ inputs, attrs }) => {
        if (!backend.tracing) return runOnHost(backend, kernelName, inputs, attrs ?? {});
        throw new UserError(
          `The onnx device has no kernel "${kernelName}", which ${asker()} asked for: ` +
            `${missing[kernelName] ?? "nobody wrote it"}. Use another operation, or --device cpu.`,
        );
      },
    });
  }
}
