/** Activation functions, which are kernels and parts of fused kernels. */
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../../../tf.ts";
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";
import {
  broadcastShape,
  type Expression,
  naryOn,
  op,
  plainAs,
  unary,
  unaryOn,
} from "./expression.ts";

/** x where it is not negative, and another expression where it is. NaN stays NaN. */
const orNegative = (negative: Expression): Expression => (g, x, ...others) =>
  g.node("Where", [g.node("Less", [x, g.scalar(0)]), negative(g, x, ...others), x]);

const exponentialMinusOne: Expression = (g, x) => g.node("Sub", [g.node("Exp", [x]), g.scalar(1)]);

const scaled = (expression: Expression, factor: number): Expression => (g, x) =>
  g.node("Mul", [expression(g, x), g.scalar(factor)]);

const relu: Expression = op("Relu");
const relu6: Expression = (g, x) => g.node("Clip", [x, g.scalar(0), g.scalar(6)]);
const elu: Expression = orNegative(exponentialMinusOne);
const leakyRelu = (alpha: number): Expression => orNegative(scaled((_g, x) => x, alpha));

const prelu: Expression = orNegative((g, x, alpha) => g.node("Mul", [x, alpha!]));

/** The activations of fused kernels that have no parameters. */
const BY_NAME: Readonly<Record<string, Expression>> = {
  elu,
  relu,
  relu6,
  sigmoid: op("Sigmoid"),
};

/**
 * Applies the activation of a fused kernel of tfjs to the kernel's result.
 *
 * @throws {UserError} If the activation is not supported.
 */
export function activated(
  backend: OnnxBackend,
  x: TensorInfo,
  { preluActivationWeights: alpha }: { preluActivationWeights?: TensorInfo },
  { activation, leakyreluAlpha }: { activation: string; leakyreluAlpha?: number },
): TensorInfo {
  if (activation === "linear") return x;
  if (activation === "prelu") return naryOn(backend, [x, alpha!], x.shape, prelu, "float32");
  if (activation === "leakyrelu") return unaryOn(backend, x, leakyRelu(leakyreluAlpha!));
  if (!Object.hasOwn(BY_NAME, activation)) {
    throw new UserError(
      `The onnx device has no fused activation "${activation}": apply it after the operation.`,
    );
  }
  return unaryOn(backend, x, BY_NAME[activation]!);
}

export const activations: Record<string, Kernel> = {
  Elu: unary(elu),
  // y is the output of Elu, so exp(x) is y + 1.
  EluGrad: ({ dy, y }, _attrs, backend) =>
    naryOn(backend, [dy, y], y.shape, (g, gradient, value) => {
      const slope = g.node("Add", [value, g.scalar(1)]);
      const positive = g.node("GreaterOrEqual", [value!, g.scalar(0)]);
      return g.node("Where", [positive, gradient, g.node("Mul", [gradient, slope])]);
    }, "float32"),
  LeakyRelu: (inputs, { alpha }, backend) =>
    unary(leakyRelu(alpha), { result: "float32" })(inputs, {}, backend),
  Prelu: ({ x, alpha }, _attrs, backend) => {
    const floating = (t: TensorInfo) =>
      t.dtype === "float32" ? t : backend.tensor(plainAs(backend, t, "float32"), t.shape);
    const operands = [floating(x), floating(alpha)];
    return naryOn(backend, operands, broadcastShape(x, alpha), prelu, "float32");
  },
  Relu: unary(relu, { through: "int32" }),
  Relu6: unary(relu6),
  Selu: unary((g, x) =>
    g.node("Where", [
      g.node("Less", [x, g.scalar(0)]),
      scaled(exponentialMinusOne, tf.backend_util.SELU_SCALEALPHA)(g, x),
      g.node("Mul", [x, g.scalar(tf.backend_util.SELU_SCALE)]),
    ])
  ),
  Step: (inputs, { alpha = 0 }, backend) => {
    const step = unary((g, x) => {
      const positive = g.node("Greater", [x, g.scalar(0)]);
      const value = g.node("Where", [positive, g.scalar(1), g.scalar(alpha)]);
      return g.node("Where", [g.node("IsNaN", [x]), x, value]);
    });
    return step(inputs, {}, backend);
  },
};
