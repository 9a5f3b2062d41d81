import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { scans } from "../../../../onnx/kernels/reduce/scan.ts";
import type * as tf from "../../../../tf.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawnAs, imageShapes, RUNS, seeds } from "../../against_cpu.ts";
import { runKernel } from "../../run_kernel.ts";

const SCANS = ["Cumprod", "Cumsum"];

Deno.test("the test below covers every cumulative sum and product", () => {
  assertEquals(SCANS, Object.keys(scans).toSorted());
});

Deno.test({
  name: "cumulative sums and products agree with the cpu device in both directions",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
        const inputs = {
          float32: drawnAs("float32", seed, shape),
          int32: drawnAs("int32", seed, shape),
          bool: drawnAs("bool", seed, shape),
        };
        await assertSameAsCpu(
          "blocked",
          (given) => {
            const results: Record<string, tf.Tensor> = {};
            for (const name of SCANS) {
              for (const axis of [0, 1, 2, 3]) {
                for (const bits of [0, 1, 2, 3]) {
                  const attributes = { axis, exclusive: (bits & 1) > 0, reverse: (bits & 2) > 0 };
                  for (const [dtype, x] of Object.entries(given)) {
                    // Few integers, because tfjs's cpu device rounds products that overflow.
                    if (name === "Cumprod" && dtype === "int32") continue;
                    const key = `${name} of ${dtype}, ${JSON.stringify(attributes)}`;
                    results[key] = runKernel(name, { x }, attributes);
                  }
                }
              }
            }
            return results;
          },
          inputs,
          { atol: 1e-4 },
        );
      }),
      RUNS,
    ),
});
