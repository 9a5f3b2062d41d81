import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { poolings } from "../../../../engine/onnx/kernels/pooling.ts";
import { deviceWorks } from "../../../devices.ts";
import { assertSameAsCpu, drawn, LAYOUTS, RUNS } from "../against_cpu.ts";
import { describe, geometries } from "../geometries.ts";
import { runKernel, throughConvolution } from "../run_kernel.ts";

/** Zeros no wider than half the window, as poolings want them. */
const windows = geometries.filter(({ pad }) => typeof pad === "string");

Deno.test("the tests below name every pooling", () => {
  assertEquals(Object.keys(poolings), ["AvgPool", "MaxPool"]);
});

for (const layout of LAYOUTS) {
  Deno.test({
    name: `poolings agree with the cpu device when tensors are ${layout}`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(windows, { minLength: 5, maxLength: 5 }),
          async (cases) => {
            const inputs = cases.map(({ samples, size, inChannels }, i) =>
              [`x${i}`, drawn(i, [samples, ...size, inChannels])] as const
            );
            await assertSameAsCpu(
              layout,
              (given) =>
                Object.fromEntries(cases.flatMap((geometry, i) => {
                  const { filter: filterSize, strides, pad } = geometry;
                  const attributes = { filterSize, strides, pad, dimRoundingMode: "floor" };
                  return ["AvgPool", "MaxPool"].flatMap((name) => {
                    const x = given[`x${i}`]!;
                    const blocked = throughConvolution(x);
                    return [
                      [`${i}, ${name}, ${describe(geometry)}`, runKernel(name, { x }, attributes)],
                      [`${i}, ${name} blocked`, runKernel(name, { x: blocked }, attributes)],
                    ];
                  });
                })),
              Object.fromEntries(inputs),
            );
          },
        ),
        RUNS,
      ),
  });
}
