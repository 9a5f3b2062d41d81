/** Kernels whose results are known during the trace. */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import { sizeOf } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import type { ConstantType } from "../../graph.ts";
import { choose } from "../elementwise/expression.ts";

function filled(
  backend: OnnxBackend,
  shape: readonly number[],
  value: number,
  dtype: string,
): TensorInfo {
  const constant = backend.constant([value], [], dtype as ConstantType);
  const expanded = shape.length === 0
    ? constant
    : backend.node("Expand", [constant, backend.int64s(shape)]);
  return backend.tensor(expanded, shape, dtype);
}

/** A vector of `count` numbers, each a step from the previous one, in the arithmetic of their type. */
function evenly(
  backend: OnnxBackend,
  start: number,
  step: number,
  count: number,
  dtype: "float32" | "int32",
): TensorInfo {
  const values = tf.util.makeZerosTypedArray(count, dtype);
  for (let i = 0; i < count; i++) values[i] = i === 0 ? start : values[i - 1]! + step;
  return backend.tensor(backend.constant(values, [count], dtype), [count], dtype);
}

export const constants: Record<string, Kernel> = {
  Fill: (_inputs, { shape, value, dtype }, backend) =>
    filled(backend, shape, value, dtype ?? "float32"),
  ZerosLike: ({ x }, _attrs, backend) => filled(backend, x.shape, 0, x.dtype),
  OnesLike: ({ x }, _attrs, backend) => filled(backend, x.shape, 1, x.dtype),
  Range: (_inputs, { start, stop, step, dtype }, backend) => {
    // tfjs makes a step of 1 negative if the range is descending.
    const away = start < stop ? step < 0 : step > 1;
    const count = away || start === stop ? 0 : Math.abs(Math.ceil((stop - start) / step));
    const down = stop < start && step === 1 ? -1 : step;
    return evenly(backend, start, down, count, dtype);
  },
  LinSpace: (_inputs, { start, stop, num }, backend) =>
    evenly(backend, start, (stop - start) / (num - 1), num, "float32"),
  // x on the diagonal of [...shape, ...shape]
  Diag: ({ x }, _attrs, backend) => {
    const size = sizeOf(x.shape);
    const shape = [...x.shape, ...x.shape];
    const diagonal = Uint8Array.from(
      { length: size * size },
      (_, i) => i % (size + 1) === 0 ? 1 : 0,
    );
    const mask = backend.constant(diagonal, [size, size], "bool");
    const column = backend.reshape(backend.plain(x), [size, 1]);
    const zero = backend.constant([0], [], x.dtype as ConstantType);
    const value = choose(backend, mask, [column, zero], x.dtype);
    return backend.tensor(backend.reshape(value, shape), shape, x.dtype);
  },
};
