/** Kernels that ONNX has no counterpart for, and tensors of strings, outside traced code. */
import * as tf from "../tf.ts";
import type { OnnxBackend } from "./backend.ts";

/** What a kernel of tfjs is given by name: a tensor, a list of them, or nothing. */
type Input = tf.TensorInfo | readonly tf.TensorInfo[] | undefined;

/** Whether a kernel is about strings, which only the host can hold. */
export function isAboutStrings(inputs: object, attrs: object): boolean {
  if ((attrs as { dtype?: string }).dtype === "string") return true;
  return Object.values(inputs as Record<string, Input>).flat()
    .some((tensor) => tensor?.dtype === "string");
}

/**
 * Runs a kernel of tfjs's cpu backend on tensors of this one: what is pending is run, and the results
 * are tensors that the host wrote.
 */
export function runOnHost(
  backend: OnnxBackend,
  kernelName: string,
  inputs: object,
  attrs: tf.NamedAttrMap,
): tf.TensorInfo | tf.TensorInfo[] {
  const cpu = tf.engine().findBackend("cpu") as tf.KernelBackend;
  const written: object[] = [];
  const copy = (input: Input): unknown => {
    if (Array.isArray(input)) return input.map(copy);
    const { shape, dtype, dataId: source } = input as tf.TensorInfo;
    const dataId = cpu.write(backend.readSync(source), shape, dtype);
    written.push(dataId);
    // Some kernels ask for more than there is in a TensorInfo.
    const [rank, size, strides] = [
      shape.length,
      tf.util.sizeFromShape(shape),
      tf.util.computeStrides(shape),
    ];
    return { dataId, shape, dtype, rank, size, strides };
  };
  const fetch = ({ dataId, shape, dtype }: tf.TensorInfo): tf.TensorInfo => {
    const values = cpu.readSync(dataId);
    written.push(dataId);
    return { dataId: backend.write(values, shape, dtype), shape, dtype };
  };
  try {
    const copies = Object.entries(inputs as Record<string, Input>)
      .map(([name, input]) => [name, input && copy(input)] as const);
    const { kernelFunc } = tf.getKernel(kernelName, "cpu");
    const results = kernelFunc({
      inputs: (Array.isArray(inputs)
        ? copies.map(([, input]) =>
          input
        )
        : Object.fromEntries(copies)) as tf.NamedTensorInfoMap,
      attrs,
      backend: cpu,
    });
    return Array.isArray(results) ? results.map(fetch) : fetch(results);
  } finally {
    written.forEach((dataId) => cpu.disposeData(dataId, true));
  }
}
