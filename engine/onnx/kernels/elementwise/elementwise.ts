/** Element-wise kernels, which keep the layout of their inputs. */
import type { TensorInfo } from "../../../tf.ts";
import { sameShape } from "../../../tree.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import { blockedAffine, channelBroadcast, isBlocked, ones } from "../../layout.ts";
import { MICROSOFT } from "../../graph.ts";
import {
  binary,
  broadcastShape,
  choose,
  type Expression,
  naryOn,
  op,
  toInt32,
  unary,
  unaryOn,
} from "./expression.ts";

/** An arithmetic kernel. With a blocked tensor and one number for each channel it uses blockedAffine(). */
function arithmetic(
  expression: Expression,
  affine: (backend: OnnxBackend, vector: string, size: number) => [scale: string, shift?: string],
  { commutes, ...types }: { commutes: boolean; through?: "float32" },
): Kernel {
  const general = binary(expression, types);
  return (inputs, attrs, backend) => {
    const { a, b } = inputs;
    const shape = broadcastShape(a, b);
    const pairs: [TensorInfo, TensorInfo][] = commutes ? [[a, b], [b, a]] : [[a, b]];
    for (const [image, vector] of pairs) {
      if (!sameShape(image.shape, shape) || !isBlocked(backend, image)) continue;
      const per = channelBroadcast(vector, shape);
      if (per === undefined || sameShape(vector.shape, shape)) continue;
      const size = vector.shape.reduce((x, y) => x * y, 1);
      const [scale, shift] = affine(backend, backend.plain(vector), size);
      const x = backend.blocked(image);
      return backend.blockedTensor(blockedAffine(backend, x, shape, per, scale, shift), shape);
    }
    return general(inputs, attrs, backend);
  };
}

/** SiLU, x * sigmoid(x): ONNX Runtime's QuickGelu with alpha 1. */
export const silu: Expression = (g, x) =>
  g.node("QuickGelu", [x], { alpha: { float: 1 } }, MICROSOFT);

const add = arithmetic(op("Add"), (g, v, size) => [ones(g, size), v], { commutes: true });

const compare = (expression: Expression) => binary(expression, { result: "bool" });
const predicate = (expression: Expression) => unary(expression, { result: "bool" });

/** A kernel of two booleans. */
const logical = (name: string): Kernel => ({ a, b }, _attrs, backend) =>
  naryOn(backend, [a, b], broadcastShape(a, b), op(name), "bool");

const not: Expression = op("Not");

const isFinite: Expression = (g, x) => g.node("Less", [g.node("Abs", [x]), g.scalar(Infinity)]);

/** Powers of floats. In C pow(1, y) is 1 for every y; in JavaScript it is NaN if y is not finite. */
const power: Expression = (g, x, y) => {
  const one = g.node("Equal", [g.node("Abs", [x]), g.scalar(1)]);
  const undefinedPower = g.node("And", [one, not(g, isFinite(g, y!))]);
  return g.node("Where", [undefinedPower, g.scalar(NaN), g.node("Pow", [x, y!])]);
};

const powerOfFloats = binary(power);
const powerOfIntegers = binary(op("Pow"));

export const elementwise: Record<string, Kernel> = {
  Add: (inputs, attrs, backend) => {
    const sum = add(inputs, attrs, backend) as TensorInfo;
    const { blocked } = backend.entry(sum);
    // Recorded, so that the sum can be fused into a convolution.
    if (blocked !== undefined && sameShape(inputs.a.shape, inputs.b.shape)) {
      backend.graph.blockedSums.add(blocked);
    }
    return sum;
  },
  Sub: arithmetic(op("Sub"), (g, v, size) => [ones(g, size), g.node("Neg", [v])], {
    commutes: false,
  }),
  Multiply: arithmetic(op("Mul"), (_g, v) => [v], { commutes: true }),
  RealDiv: arithmetic(op("Div"), (g, v) => [g.node("Reciprocal", [v])], {
    commutes: false,
    through: "float32",
  }),
  AddN: (inputs, _attrs, backend) => {
    const tensors = Object.values(inputs) as TensorInfo[];
    const [first] = tensors;
    // ONNX's Sum does not support integers, and runs on the processor only.
    const sum: Expression = first!.dtype === "float32" && !backend.forGpu
      ? op("Sum")
      : (g, ...values) => values.reduce((a, b) => g.node("Add", [a, b]));
    return naryOn(backend, tensors, first!.shape, sum, first!.dtype);
  },
  Maximum: binary(op("Max")),
  Minimum: binary(op("Min")),
  Pow: (inputs, attrs, backend) =>
    (inputs.a.dtype === "float32" ? powerOfFloats : powerOfIntegers)(inputs, attrs, backend),
  SquaredDifference: binary((g, a, b) => {
    const difference = g.node("Sub", [a, b]);
    return g.node("Mul", [difference, difference]);
  }),
  Equal: compare(op("Equal")),
  Greater: compare(op("Greater")),
  GreaterEqual: compare(op("GreaterOrEqual")),
  Less: compare(op("Less")),
  LessEqual: compare(op("LessOrEqual")),
  NotEqual: compare((g, a, b) => not(g, g.node("Equal", [a, b!]))),
  LogicalAnd: logical("And"),
  LogicalOr: logical("Or"),
  LogicalNot: ({ x }, _attrs, backend) => unaryOn(backend, x, not),
  IsFinite: predicate(isFinite),
  IsInf: predicate(op("IsInf")),
  IsNan: predicate(op("IsNaN")),
  Select: ({ condition, t, e }, _attrs, backend) => {
    // In tfjs a vector may select whole rows. ONNX aligns shapes at the right, so ones are appended.
    const mask = condition.shape.length === t.shape.length
      ? backend.plain(condition)
      : backend.reshape(backend.plain(condition), [
        ...condition.shape,
        ...Array(t.shape.length - condition.shape.length).fill(1),
      ]);
    const value = choose(backend, mask, [backend.plain(t), backend.plain(e)], t.dtype);
    return backend.tensor(value, t.shape, t.dtype);
  },
  Abs: unary(op("Abs"), { through: "int32" }),
  Ceil: unary(op("Ceil")),
  Erf: unary(op("Erf")),
  Exp: unary(op("Exp"), { result: "float32" }),
  Expm1: unary((g, x) => g.node("Sub", [g.node("Exp", [x]), g.scalar(1)])),
  Floor: unary(op("Floor")),
  Log: unary(op("Log")),
  Log1p: unary((g, x) => g.node("Log", [g.node("Add", [x, g.scalar(1)])])),
  Neg: unary(op("Neg"), { through: "int32" }),
  Reciprocal: unary(op("Reciprocal")),
  Round: unary(op("Round")),
  Rsqrt: unary((g, x) => g.node("Reciprocal", [g.node("Sqrt", [x])])),
  Sigmoid: unary(op("Sigmoid")),
  // The sign of NaN is 0.
  Sign: unary((g, x) => {
    const [positive, negative] = ["Greater", "Less"].map((compare) =>
      g.node(compare, [x, g.scalar(0)])
    ) as [string, string];
    const nonNegative = g.node("Where", [positive, g.scalar(1), g.scalar(0)]);
    return g.node("Where", [negative, g.scalar(-1), nonNegative]);
  }),
  Softplus: unary(op("Softplus")),
  Sqrt: unary(op("Sqrt")),
  Square: unary((g, x) => g.node("Mul", [x, x]), { through: "int32" }),
  ClipByValue: ({ x }, { clipValueMin, clipValueMax }, backend) => {
    const bound = (value: number) => backend.constant([value], [], x.dtype);
    const bounds = [bound(clipValueMin), bound(clipValueMax)];
    return unaryOn(backend, x, (g, value) => g.node("Clip", [value, ...bounds]));
  },
  Cast: ({ x }, { dtype }, backend) => {
    if (dtype === x.dtype) return unaryOn(backend, x, (_g, value) => value);
    if (x.dtype === "float32" && dtype === "int32") {
      return backend.tensor(toInt32(backend, backend.plain(x)), x.shape, dtype);
    }
    return unaryOn(backend, x, (g, value) => g.cast(value, dtype), dtype);
  },
  Identity: ({ x }, _attrs, backend) => backend.share(x),
};
