/** Expressions, the parts of element-wise kernels, and their application to tensors in either layout. */
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import { type DType, sameShape } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { isBlocked } from "../../layout.ts";

/** Adds an expression of its operands to the graph. The operands have the same layout. */
export type Expression = (backend: OnnxBackend, ...operands: string[]) => string;

/** One ONNX operator as an expression. */
export const op = (name: string): Expression => (backend, ...operands) =>
  backend.node(name, operands);

/**
 * Converts floats to int32 as JavaScript's typed arrays do: truncated towards zero, modulo 2^32, and 0 for NaN
 * and infinity. With ONNX's Cast alone these cases depend on the processor.
 */
export function toInt32(
  backend: OnnxBackend,
  value: string,
  from: "float32" | "float64" = "float32",
): string {
  const constant = (number: number) => backend.constant([number], [], from);
  const fits = backend.node("Less", [backend.node("Abs", [value]), constant(2 ** 63)]);
  const whole = backend.node("Where", [fits, value, constant(0)]);
  // Without Mod, ONNX Runtime would fuse the two casts into one.
  const low = backend.node("Mod", [
    backend.cast(whole, "int64"),
    backend.constant([2 ** 32], [], "int64"),
  ]);
  return backend.cast(low, "int32");
}

/** Converts results to another type as JavaScript's typed arrays do: fractions are truncated. */
function converted(backend: OnnxBackend, value: string, from: string, to: string): string {
  if (from === to) return value;
  const whole = from === "float32" ? toInt32(backend, value) : value;
  return whole !== value && to === "int32" ? whole : backend.cast(whole, to as DType);
}

/** A tensor's plain value as another type. */
export function plainAs(backend: OnnxBackend, x: TensorInfo, dtype: DType): string {
  const value = backend.plain(x);
  return x.dtype === dtype ? value : backend.cast(value, dtype);
}

/** Selects elements of two values. ONNX Runtime's Where does not support booleans. */
export function choose(
  backend: OnnxBackend,
  condition: string,
  [yes, no]: readonly [string, string],
  dtype: string,
): string {
  if (dtype !== "bool") return backend.node("Where", [condition, yes, no]);
  const otherwise = backend.node("And", [backend.node("Not", [condition]), no]);
  return backend.node("Or", [backend.node("And", [condition, yes]), otherwise]);
}

/** The types of an element-wise kernel for operands that are not float32. */
interface Types {
  /** The type of the computation. @default "float32" for unary kernels, "int32" for binary ones */
  through?: "int32" | "float32";
  /** The type of the result. @default That of the first operand. */
  result?: DType;
}

/** A kernel of one tensor. */
export function unary(expression: Expression, { through = "float32", result }: Types = {}): Kernel {
  return ({ x }, _attrs, backend) => {
    const dtype = result ?? x.dtype;
    if (x.dtype === "float32") return unaryOn(backend, x, expression, dtype);
    const value = expression(backend, plainAs(backend, x, through));
    const computed = result === "bool" ? result : through;
    return backend.tensor(converted(backend, value, computed, dtype), x.shape, dtype);
  };
}

/** Applies an expression of one operand to a tensor, in the tensor's layout. */
export function unaryOn(
  backend: OnnxBackend,
  x: TensorInfo,
  expression: Expression,
  dtype: string = x.dtype,
): TensorInfo {
  return isBlocked(backend, x) && dtype === "float32"
    ? backend.blockedTensor(expression(backend, backend.blocked(x)), x.shape)
    : backend.tensor(expression(backend, backend.plain(x)), x.shape, dtype);
}

/** Whether an n-ary kernel should compute in the blocked layout: see {@linkcode naryOn}. */
function prefersBlocked(
  backend: OnnxBackend,
  tensors: readonly TensorInfo[],
  shape: readonly number[],
): boolean {
  return tensors.some((t) => isBlocked(backend, t)) &&
    tensors.every((t) => sameShape(t.shape, shape) || isSmallScalar(t));
}

const isSmallScalar = (t: TensorInfo) =>
  t.shape.length <= 4 && t.shape.every((dimension) => dimension === 1);

/** Applies an expression to tensors that broadcast to `shape`, in the blocked layout if that saves a reorder. */
export function naryOn(
  backend: OnnxBackend,
  tensors: readonly TensorInfo[],
  shape: readonly number[],
  expression: Expression,
  dtype: string,
): TensorInfo {
  if (dtype === "float32" && prefersBlocked(backend, tensors, shape)) {
    const operands = tensors.map((t) =>
      sameShape(t.shape, shape) ? backend.blocked(t) : backend.plain(t)
    );
    return backend.blockedTensor(expression(backend, ...operands), shape);
  }
  const operands = tensors.map((t) => backend.plain(t));
  return backend.tensor(expression(backend, ...operands), shape, dtype);
}

/** The shape that two tensors broadcast to. */
export function broadcastShape(a: TensorInfo, b: TensorInfo): number[] {
  return tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
}

/** A kernel of two tensors of the same type. */
export function binary(expression: Expression, { through = "int32", result }: Types = {}): Kernel {
  return ({ a, b }, _attrs, backend) => {
    const shape = broadcastShape(a, b);
    const dtype = result ?? a.dtype;
    if (a.dtype === "float32" || a.dtype === through) {
      return naryOn(backend, [a, b], shape, expression, dtype);
    }
    const value = expression(backend, plainAs(backend, a, through), plainAs(backend, b, through));
    const computed = result === "bool" ? result : through;
    return backend.tensor(converted(backend, value, computed, dtype), shape, dtype);
  };
}
