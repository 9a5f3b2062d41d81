import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { activations } from "../../../../onnx/kernels/elementwise/activation.ts";
import type * as tf from "../../../../tf.ts";
import { float32, int32 } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import {
  assertSameAsCpu,
  drawn,
  HAS_NON_FINITE,
  imageShapes,
  LAYOUTS,
  RUNS,
  seeds,
} from "../../against_cpu.ts";
import { runKernel, throughConvolution } from "../../run_kernel.ts";
import { pairsOf, SPECIAL } from "../../special.ts";

const UNARY = ["Elu", "LeakyRelu", "Relu", "Relu6", "Selu", "Step"];

/** A call of every activation, with x and y of the same shape. */
function all(x: tf.Tensor, y: tf.Tensor): Record<string, tf.Tensor> {
  return {
    ...Object.fromEntries(UNARY.map((name) => [name, runKernel(name, { x }, { alpha: 0.25 })])),
    EluGrad: runKernel("EluGrad", { dy: x, y }),
    Prelu: runKernel("Prelu", { x, alpha: y }),
  };
}

Deno.test("the tests below cover every activation", () => {
  assertEquals([...UNARY, "EluGrad", "Prelu"].toSorted(), Object.keys(activations).toSorted());
});

for (const layout of LAYOUTS) {
  Deno.test({
    name: `activations agree with the cpu device for ${layout} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const inputs = {
            x: drawn(seed, shape),
            y: drawn(seed + 1, shape),
            alpha: drawn(seed + 2, shape.slice(3)),
          };
          await assertSameAsCpu(layout, ({ x, y, alpha }) => ({
            ...all(throughConvolution(x!), throughConvolution(y!)),
            "Prelu of channels": runKernel("Prelu", { x: throughConvolution(x!), alpha: alpha! }),
          }), inputs);
        }),
        RUNS,
      ),
  });
}

Deno.test({
  name: "activations agree with the cpu device for NaN, infinity and integers",
  ignore: !deviceWorks("onnx") || !HAS_NON_FINITE,
  fn: async () => {
    const [x, y] = pairsOf(SPECIAL);
    const inputs = { x: float32(x), y: float32(y), i: int32([0, 1, -1, 5, -7, 9]) };
    await assertSameAsCpu("blocked", ({ x, y, i }) => ({
      ...all(x!, y!),
      ...Object.fromEntries(
        UNARY.map((name) => [`${name} of integers`, runKernel(name, { x: i! }, { alpha: 2 })]),
      ),
      "Prelu of integers": runKernel("Prelu", { x: i!, alpha: i! }),
    }), inputs);
  },
});
