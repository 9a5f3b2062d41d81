/** Division with remainder, in float64, which represents every int32 and float32 exactly. */
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { broadcastShape, toInt32 } from "./expression.ts";

const asDouble = (backend: OnnxBackend, x: TensorInfo) => backend.cast(backend.plain(x), "float64");

/**
 * The remainder with the sign of the divisor. As in tfjs it is made of truncated remainders: (a % b + b) % b
 * if the signs differ.
 */
function modulo(g: OnnxBackend, a: string, b: string): string {
  const zero = g.constant([0], [], "float64");
  const remainder = (x: string) => g.node("Mod", [x, b], { fmod: 1 });
  const negative = (x: string) => g.node("Less", [x, zero]);
  const simple = remainder(a);
  const differ = g.node("Xor", [negative(a), negative(b)]);
  return g.node("Where", [differ, remainder(g.node("Add", [simple, b])), simple]);
}

export const divisions: Record<string, Kernel> = {
  FloorDiv: ({ a, b }, _attrs, backend) => {
    const quotient = backend.node("Div", [asDouble(backend, a), asDouble(backend, b)]);
    const value = toInt32(backend, backend.node("Floor", [quotient]), "float64");
    return backend.tensor(value, broadcastShape(a, b), "int32");
  },
  Mod: ({ a, b }, _attrs, backend) => {
    const rest = modulo(backend, asDouble(backend, a), asDouble(backend, b));
    const value = a.dtype === "int32"
      ? toInt32(backend, rest, "float64")
      : backend.cast(rest, a.dtype);
    return backend.tensor(value, broadcastShape(a, b), a.dtype);
  },
};
