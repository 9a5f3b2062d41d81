/** Trigonometric and hyperbolic functions and their inverses. */
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { broadcastShape, naryOn, op, unary } from "./expression.ts";

/** The functions with the same names in ONNX. */
const SAME_NAMES = "Acos Acosh Asin Asinh Atan Atanh Cos Cosh Sin Sinh Tan Tanh".split(" ");

/** Whether a value is negative or -0, whose reciprocal is negative. */
function hasSign(g: OnnxBackend, x: string): string {
  const below = (value: string) => g.node("Less", [value, g.scalar(0)]);
  return g.node("Or", [below(x), below(g.node("Reciprocal", [x]))]);
}

/** The angle of the point (x, y): the angle of (|x|, |y|), from the smaller over the larger, then mirrored. */
function arctangent2(g: OnnxBackend, y: string, x: string): string {
  const [absX, absY] = [g.node("Abs", [x]), g.node("Abs", [y])];
  const same = g.node("Equal", [absX, absY]); // such as two zeros or two infinities, whose quotient is NaN
  const steep = g.node("Greater", [absY, absX]);
  const smaller = g.node("Where", [steep, absX, absY]);
  const larger = g.node("Where", [steep, absY, absX]);
  const zero = g.node("Equal", [larger, g.scalar(0)]);
  const ratio = g.node("Where", [
    same,
    g.node("Where", [zero, g.scalar(0), g.scalar(1)]),
    g.node("Div", [smaller, larger]),
  ]);
  const flat = g.node("Atan", [ratio]);
  const octant = g.node("Where", [steep, g.node("Sub", [g.scalar(Math.PI / 2), flat]), flat]);
  const quadrant = g.node("Where", [
    hasSign(g, x),
    g.node("Sub", [g.scalar(Math.PI), octant]),
    octant,
  ]);
  const angle = g.node("Where", [hasSign(g, y), g.node("Neg", [quadrant]), quadrant]);
  const undefinedX = g.node("IsNaN", [x]);
  const undefinedY = g.node("IsNaN", [y]);
  return g.node("Where", [g.node("Or", [undefinedX, undefinedY]), g.scalar(NaN), angle]);
}

export const trigonometry: Record<string, Kernel> = {
  ...Object.fromEntries(SAME_NAMES.map((name) => [name, unary(op(name))])),
  Atan2: ({ a, b }, _attrs, backend) =>
    naryOn(backend, [a, b], broadcastShape(a, b), arctangent2, a.dtype),
};
