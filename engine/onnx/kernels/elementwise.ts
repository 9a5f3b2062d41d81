/** Element-wise kernels. They keep the layout of their inputs. */
import * as tf from "../../tf.ts";
import type { Kernel, OnnxBackend } from "../backend.ts";
import type { NodeOptions } from "../graph.ts";
import { blockedAffine, channelBroadcast, isBlocked, ones, sameShape } from "../layout.ts";
import { ELEMENT_TYPE } from "../proto.ts";

/** Builds an expression from the values of its operands, in whichever layout they come. */
type Expression = (backend: OnnxBackend, ...operands: string[]) => string;

const op = (name: string, options?: NodeOptions): Expression => (backend, ...operands) =>
  backend.node(name, operands, options);

const scalar = (backend: OnnxBackend, value: number) => backend.graph.scalar(value);

/** A kernel of one tensor. */
function unary(expression: Expression, dtype?: string): Kernel {
  return ({ x }, _attrs, backend) => unaryOn(backend, x, expression, dtype);
}

/** Applies an expression of one operand to a tensor, in the layout that it has. */
export function unaryOn(
  backend: OnnxBackend,
  x: tf.TensorInfo,
  expression: Expression,
  dtype: string = x.dtype,
): tf.TensorInfo {
  return isBlocked(backend, x) && dtype === "float32"
    ? backend.blockedTensor(expression(backend, backend.blocked(x)), x.shape)
    : backend.tensor(expression(backend, backend.plain(x)), x.shape, dtype);
}

/** Whether an n-ary kernel should work in the blocked layout: see {@linkcode naryOn}. */
function prefersBlocked(
  backend: OnnxBackend,
  tensors: readonly tf.TensorInfo[],
  shape: readonly number[],
): boolean {
  return tensors.some((t) => isBlocked(backend, t)) &&
    tensors.every((t) => sameShape(t.shape, shape) || isSmallScalar(t));
}

const isSmallScalar = (t: tf.TensorInfo) =>
  t.shape.length <= 4 && t.shape.every((dimension) => dimension === 1);

/** Applies an expression to tensors that broadcast to `shape`, blocked if that saves a reorder. */
export function naryOn(
  backend: OnnxBackend,
  tensors: readonly tf.TensorInfo[],
  shape: readonly number[],
  expression: Expression,
  dtype: string,
): tf.TensorInfo {
  if (dtype === "float32" && prefersBlocked(backend, tensors, shape)) {
    const operands = tensors.map((t) =>
      sameShape(t.shape, shape) ? backend.blocked(t) : backend.plain(t)
    );
    return backend.blockedTensor(expression(backend, ...operands), shape);
  }
  const operands = tensors.map((t) => backend.plain(t));
  return backend.tensor(expression(backend, ...operands), shape, dtype);
}

function broadcastShape(a: tf.TensorInfo, b: tf.TensorInfo): number[] {
  return tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
}

/** A kernel of two tensors. */
function binary(expression: Expression, dtype?: string): Kernel {
  return ({ a, b }, _attrs, backend) =>
    naryOn(backend, [a, b], broadcastShape(a, b), expression, dtype ?? a.dtype);
}

/** Arithmetic where per-channel operands of a blocked tensor are done by blockedAffine. */
function arithmetic(
  expression: Expression,
  affine: (backend: OnnxBackend, vector: string, size: number) => [scale: string, shift?: string],
  { commutes }: { commutes: boolean },
): Kernel {
  const general = binary(expression);
  return (inputs, attrs, backend) => {
    const { a, b } = inputs;
    const shape = broadcastShape(a, b);
    const pairs: [tf.TensorInfo, tf.TensorInfo][] = commutes ? [[a, b], [b, a]] : [[a, b]];
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

/** SiLU as one kernel (ONNX Runtime's QuickGelu with alpha 1): x * sigmoid(x). */
export const silu: Expression = op("QuickGelu", {
  domain: "com.microsoft",
  attributes: { alpha: { float: 1 } },
});

const add = arithmetic(op("Add"), (g, v, size) => [ones(g, size), v], { commutes: true });

const compare = (name: string) => binary(op(name), "bool");
const not: Expression = op("Not");

/** The element-wise kernels by their tfjs names. */
export const elementwise: Record<string, Kernel> = {
  Add: (inputs, attrs, backend) => {
    const sum = add(inputs, attrs, backend) as tf.TensorInfo;
    const { blocked } = backend.entry(sum);
    // Remembered, so that a convolution may take it over.
    if (blocked !== undefined && sameShape(inputs.a.shape, inputs.b.shape)) {
      backend.graph.blockedSums.add(blocked);
    }
    return sum;
  },
  Sub: arithmetic(op("Sub"), (g, v, size) => [ones(g, size), g.node("Neg", [v])], {
    commutes: false,
  }),
  Multiply: arithmetic(op("Mul"), (_g, v) => [v], { commutes: true }),
  RealDiv: arithmetic(op("Div"), (g, v) => [g.node("Reciprocal", [v])], { commutes: false }),
  AddN: (inputs, _attrs, backend) => {
    const tensors = Object.values(inputs) as tf.TensorInfo[];
    const [first] = tensors;
    // ONNX's Sum takes no integers.
    const sum: Expression = first!.dtype === "float32"
      ? op("Sum")
      : (g, ...values) => values.reduce((a, b) => g.node("Add", [a, b]));
    return naryOn(backend, tensors, first!.shape, sum, first!.dtype);
  },
  Maximum: binary(op("Max")),
  Minimum: binary(op("Min")),
  Pow: binary(op("Pow")),
  SquaredDifference: binary((g, a, b) => {
    const difference = g.node("Sub", [a, b]);
    return g.node("Mul", [difference, difference]);
  }),
  Equal: compare("Equal"),
  Greater: compare("Greater"),
  GreaterEqual: compare("GreaterOrEqual"),
  Less: compare("Less"),
  LessEqual: compare("LessOrEqual"),
  NotEqual: binary((g, a, b) => not(g, g.node("Equal", [a, b])), "bool"),
  LogicalAnd: compare("And"),
  LogicalOr: compare("Or"),
  LogicalNot: unary(not),
  Select: ({ condition, t, e }, _attrs, backend) => {
    // tfjs lets a vector choose whole rows; ONNX broadcasts from the right, so it gets trailing ones.
    const mask = condition.shape.length === t.shape.length
      ? backend.plain(condition)
      : backend.reshape(backend.plain(condition), [
        ...condition.shape,
        ...Array(t.shape.length - condition.shape.length).fill(1),
      ]);
    const value = backend.node("Where", [mask, backend.plain(t), backend.plain(e)]);
    return backend.tensor(value, t.shape, t.dtype);
  },
  Abs: unary(op("Abs")),
  Ceil: unary(op("Ceil")),
  Cos: unary(op("Cos")),
  Erf: unary(op("Erf")),
  Exp: unary(op("Exp")),
  Expm1: unary((g, x) => g.node("Sub", [g.node("Exp", [x]), scalar(g, 1)])),
  Floor: unary(op("Floor")),
  Log: unary(op("Log")),
  Log1p: unary((g, x) => g.node("Log", [g.node("Add", [x, scalar(g, 1)])])),
  Neg: unary(op("Neg")),
  Reciprocal: unary(op("Reciprocal")),
  Relu: unary(op("Relu")),
  Round: unary(op("Round")),
  Rsqrt: unary((g, x) => g.node("Reciprocal", [g.node("Sqrt", [x])])),
  Sigmoid: unary(op("Sigmoid")),
  Sign: unary(op("Sign")),
  Sin: unary(op("Sin")),
  Softplus: unary(op("Softplus")),
  Sqrt: unary(op("Sqrt")),
  Square: unary((g, x) => g.node("Mul", [x, x])),
  Tanh: unary(op("Tanh")),
  ClipByValue: ({ x }, { clipValueMin, clipValueMax }, backend) => {
    const bound = (value: number) => backend.graph.constant([value], [], x.dtype);
    const bounds = [bound(clipValueMin), bound(clipValueMax)];
    return unaryOn(backend, x, (g, value) => g.node("Clip", [value, ...bounds]));
  },
  Cast: ({ x }, { dtype }, backend) => {
    if (dtype === x.dtype) return unaryOn(backend, x, (_g, value) => value);
    const to = ELEMENT_TYPE[dtype as keyof typeof ELEMENT_TYPE];
    return unaryOn(backend, x, op("Cast", { attributes: { to } }), dtype);
  },
  Identity: ({ x }, _attrs, backend) => unaryOn(backend, x, (_g, value) => value),
};
