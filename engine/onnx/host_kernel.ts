/** Runs kernels on the host outside traced code: those that ONNX lacks, and all on strings and complex numbers. */
import * as tf from "../tf.ts";
import type { OnnxBackend } from "./backend.ts";

/** A kernel's input: a tensor, a list of tensors, or nothing. */
type Input = tf.TensorInfo | readonly tf.TensorInfo[] | undefined;

const isHostType = (dtype: string | undefined) => dtype === "string" || dtype === "complex64";

/** Whether a kernel takes or returns strings or complex numbers, which only the host supports. */
export function isForHost(inputs: object, attrs: object): boolean {
  return isHostType((attrs as { dtype?: string }).dtype) ||
    Object.values(inputs as Record<string, Input>).flat().some((tensor) =>
      isHostType(tensor?.dtype)
    );
}

/** Writes complex numbers to the cpu backend, which keeps their real and imaginary parts as tensors. */
function writeComplex(
  cpu: tf.KernelBackend,
  parts: Float32Array,
  shape: number[],
): tf.TensorInfo["dataId"] {
  const { real, imag } = tf.backend_util.splitRealAndImagArrays(parts);
  const [realInfo, imagInfo] = [real, imag].map((values) => ({
    dataId: cpu.write(values, shape, "float32"),
    shape,
    dtype: "float32" as const,
  }));
  const inputs = { real: realInfo!, imag: imagInfo! };
  const { kernelFunc } = tf.getKernel("Complex", "cpu");
  const { dataId } = kernelFunc({ inputs, backend: cpu, attrs: {} }) as tf.TensorInfo;
  [realInfo!, imagInfo!].forEach((part) => cpu.disposeData(part.dataId, true));
  return dataId;
}

/**
 * Runs a kernel of tfjs's cpu backend on tensors of the onnx backend. This runs the pending operations first.
 * The results become tensors of the onnx backend, written by the host.
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
    const values = backend.readSync(source);
    const dataId = dtype === "complex64"
      ? writeComplex(cpu, values as Float32Array, shape)
      : cpu.write(values, shape, dtype);
    written.push(dataId);
    // Some kernels read properties of tensors that a TensorInfo does not have.
    const rank = shape.length;
    const size = tf.util.sizeFromShape(shape);
    const strides = tf.util.computeStrides(shape);
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
    const given = Array.isArray(inputs)
      ? copies.map(([, input]) => input)
      : Object.fromEntries(copies);
    const { kernelFunc } = tf.getKernel(kernelName, "cpu");
    const results = kernelFunc({ inputs: given as tf.NamedTensorInfoMap, attrs, backend: cpu });
    return Array.isArray(results) ? results.map(fetch) : fetch(results);
  } finally {
    written.forEach((dataId) => cpu.disposeData(dataId, true));
  }
}
