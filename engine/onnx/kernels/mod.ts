/** All kernels of the onnx device, and their registration with tfjs. */
import { UserError } from "../../errors.ts";
import * as tf from "../../tf.ts";
import { BACKEND_NAME, type Kernel, type OnnxBackend } from "../backend.ts";
import { convolutions } from "./convolution.ts";
import { elementwise } from "./elementwise.ts";
import { filterGradients } from "./filter_gradient.ts";
import { fused } from "./fused.ts";
import { matmuls } from "./matmul.ts";
import { poolings } from "./pooling.ts";
import { reductions } from "./reduction.ts";
import { shapes } from "./shape.ts";

/** Every kernel by its tfjs name. */
export const kernels: Readonly<Record<string, Kernel>> = {
  ...convolutions,
  ...elementwise,
  ...filterGradients,
  ...fused,
  ...matmuls,
  ...poolings,
  ...reductions,
  ...shapes,
};

/** The tfjs operation that is running, such as "tf.cumsum()"; tfjs calls its scope "cumsum__op". */
function currentOperation(): string {
  const scope = tf.engine().state.activeScope as unknown as { name?: string } | undefined;
  const [, operation] = scope?.name?.match(/^(.+)__op$/) ?? [];
  return operation === undefined ? "an operation of tfjs" : `tf.${operation}()`;
}

/**
 * Registers the kernels for the backend. Kernels that tfjs has on its cpu device and this one has not
 * are registered as well, to say so by name when they are asked for.
 */
export function registerKernels(backend: OnnxBackend): void {
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    tf.registerKernel({
      kernelName,
      backendName: BACKEND_NAME,
      kernelFunc: ({ inputs, attrs }) => {
        backend.graph.scope = kernelName;
        return kernel(inputs, attrs ?? {}, backend);
      },
    });
  }
  for (const { kernelName } of tf.getKernelsForBackend("cpu")) {
    if (kernels[kernelName] !== undefined) continue;
    tf.registerKernel({
      kernelName,
      backendName: BACKEND_NAME,
      kernelFunc: () => {
        throw new UserError(
          `The onnx device has no kernel "${kernelName}", which ${currentOperation()} asked for. ` +
            "Use another operation, or --device cpu.",
        );
      },
    });
  }
}
