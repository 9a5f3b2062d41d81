import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { trigonometry } from "../../../../onnx/kernels/elementwise/trigonometry.ts";
import type * as tf from "../../../../tf.ts";
import { float32 } from "../../../../tree.ts";
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

const UNARY = [
  "Acos",
  "Acosh",
  "Asin",
  "Asinh",
  "Atan",
  "Atanh",
  "Cos",
  "Cosh",
  "Sin",
  "Sinh",
  "Tan",
  "Tanh",
];

Deno.test("the tests below cover every trigonometric kernel", () => {
  assertEquals([...UNARY, "Atan2"].toSorted(), Object.keys(trigonometry).toSorted());
});

for (const layout of LAYOUTS) {
  Deno.test({
    name: `trigonometric kernels agree with the cpu device for ${layout} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const inputs = { a: drawn(seed, shape), b: drawn(seed + 1, shape.slice(2)) };
          await assertSameAsCpu(layout, ({ a, b }) => {
            const x = throughConvolution(a!);
            const results: Record<string, tf.Tensor> = {
              angle: runKernel("Atan2", { a: x, b: b! }),
              "other angle": runKernel("Atan2", { a: b!, b: x }),
            };
            for (const name of UNARY) results[name] = runKernel(name, { x });
            return results;
          }, inputs);
        }),
        RUNS,
      ),
  });
}

Deno.test({
  name: "trigonometric kernels agree with the cpu device for NaN, infinity and both zeros",
  ignore: !deviceWorks("onnx") || !HAS_NON_FINITE,
  fn: async () => {
    // The sines of large numbers differ between float32 and float64.
    const moderate = SPECIAL.filter((value) => !(Math.abs(value) > 100 && Number.isFinite(value)));
    const [a, b] = pairsOf(SPECIAL);
    await assertSameAsCpu("blocked", ({ x, a, b }) => ({
      angle: runKernel("Atan2", { a: a!, b: b! }),
      ...Object.fromEntries(UNARY.map((name) => [name, runKernel(name, { x: x! })])),
    }), { x: float32(moderate), a: float32(a), b: float32(b) });
  },
});
