import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { normalizations } from "../../../../onnx/kernels/reduce/normalization.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawn, imageShapes, LAYOUTS, RUNS, seeds } from "../../against_cpu.ts";
import { runKernel, throughConvolution } from "../../run_kernel.ts";

Deno.test("the tests below cover every normalization", () => {
  assertEquals(Object.keys(normalizations).toSorted(), ["FusedBatchNorm", "LRN", "LRNGrad"]);
});

for (const layout of LAYOUTS) {
  Deno.test({
    name: `normalizations agree with the cpu device for ${layout} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const vector = (i: number) => drawn(seed + i, shape.slice(3));
          const spread = vector(2);
          const inputs = {
            x: drawn(seed, shape),
            dy: drawn(seed + 5, shape),
            mean: vector(1),
            variance: { ...spread, data: spread.data.map((v) => v * v + 0.1) },
            offset: vector(3),
            scale: vector(4),
          };
          await assertSameAsCpu(layout, ({ x, dy, mean, variance, offset, scale }) => {
            const image = throughConvolution(x!);
            const statistics = { x: image, mean: mean!, variance: variance! };
            const local = { depthRadius: 2, bias: 1, alpha: 0.5, beta: 0.7 };
            const y = runKernel("LRN", { x: image }, local);
            return {
              "by batch": runKernel("FusedBatchNorm", statistics, { varianceEpsilon: 0.01 }),
              "by batch, scaled": runKernel("FusedBatchNorm", {
                ...statistics,
                offset: offset!,
                scale: scale!,
              }, { varianceEpsilon: 0.01 }),
              "by neighbours": y,
              "gradient by neighbours": runKernel("LRNGrad", { x: image, y, dy: dy! }, local),
            };
          }, inputs);
        }),
        RUNS,
      ),
  });
}
