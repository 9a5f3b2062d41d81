/** Cumulative sums and products. */
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { plainAs } from "../elementwise/expression.ts";

/** Whether element i is included in the result at j. */
function takesPart(i: number, j: number, exclusive: boolean, reverse: boolean): boolean {
  const distance = reverse ? i - j : j - i;
  return exclusive ? distance > 0 : distance >= 0;
}

/** A constant mask [size, size] over (j, i): see {@linkcode takesPart}. */
function mask(backend: OnnxBackend, size: number, exclusive: boolean, reverse: boolean): string {
  const values = new Uint8Array(size * size);
  for (let j = 0; j < size; j++) {
    for (let i = 0; i < size; i++) {
      values[j * size + i] = takesPart(i, j, exclusive, reverse) ? 1 : 0;
    }
  }
  return backend.constant(values, [size, size], "bool");
}

export const scans: Record<string, Kernel> = {
  Cumsum: ({ x }, { axis, exclusive, reverse }, backend) => {
    const dtype = x.dtype === "bool" ? "int32" : x.dtype;
    const value = plainAs(backend, x, dtype);
    const at = backend.constant([axis], [], "int32");
    const sums = backend.node("CumSum", [value, at], {
      exclusive: exclusive ? 1 : 0,
      reverse: reverse ? 1 : 0,
    });
    return backend.tensor(sums, x.shape, dtype);
  },
  // ONNX has no cumulative product. Along an axis of n elements these are n products of n factors; the factors
  // that are not included are 1.
  Cumprod: ({ x }, { axis, exclusive, reverse }, backend) => {
    const dtype = x.dtype === "bool" ? "int32" : x.dtype;
    const at = axis < 0 ? axis + x.shape.length : axis;
    const size = x.shape[at]!;
    const inner = x.shape.slice(at + 1).map(() => 1);
    // [..., 1, i, ...] against a mask [j, i, 1...]
    const rows = backend.reshape(plainAs(backend, x, "float32"), [
      ...x.shape.slice(0, at),
      1,
      ...x.shape.slice(at),
    ]);
    const taken = backend.reshape(mask(backend, size, exclusive, reverse), [size, size, ...inner]);
    const factors = backend.node("Where", [taken, rows, backend.scalar(1)]);
    const products = backend.node("ReduceProd", [factors], { axes: [at + 1], keepdims: 0 });
    const value = dtype === "float32" ? products : backend.cast(products, dtype);
    return backend.tensor(value, x.shape, dtype);
  },
};
