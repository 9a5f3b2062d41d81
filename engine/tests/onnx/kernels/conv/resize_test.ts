import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { resizes } from "../../../../onnx/kernels/conv/resize.ts";
import type * as tf from "../../../../tf.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawn, imageShapes, LAYOUTS, RUNS, seeds } from "../../against_cpu.ts";
import { runKernel, throughConvolution } from "../../run_kernel.ts";

const FORWARD = ["ResizeBilinear", "ResizeNearestNeighbor"];
const GRADIENTS = FORWARD.map((name) => `${name}Grad`);

const MAPPINGS = [
  { alignCorners: false, halfPixelCenters: false },
  { alignCorners: true, halfPixelCenters: false },
  { alignCorners: false, halfPixelCenters: true },
];

/** Sizes to resize [h, w] to: larger and smaller, by whole and by other factors. */
const sizesFor = (h: number, w: number): [number, number][] => [
  ...[[1, 1], [2, 2], [3, 3], [1, 2], [4, 2]].map(([v, u]): [number, number] => [h * v!, w * u!]),
  [1, 1],
  [3, 7],
  [h + 1, w + 2],
];

Deno.test("the tests below cover every kernel that resizes", () => {
  assertEquals([...FORWARD, ...GRADIENTS].toSorted(), Object.keys(resizes).toSorted());
});

for (const layout of LAYOUTS) {
  Deno.test({
    name: `resizing agrees with the cpu device for ${layout} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const [, h, w] = shape;
          await assertSameAsCpu(layout, ({ x }) => {
            const blocked = throughConvolution(x!);
            const results: Record<string, tf.Tensor> = {};
            for (const name of FORWARD) {
              for (const mapping of MAPPINGS) {
                for (const size of sizesFor(h, w)) {
                  const key = `${name} to ${size}, ${JSON.stringify(mapping)}`;
                  const attributes = { size, ...mapping };
                  results[key] = runKernel(name, { images: x! }, attributes);
                  results[`${key}, blocked`] = runKernel(name, { images: blocked }, attributes);
                }
              }
            }
            return results;
          }, { x: drawn(seed, shape) });
        }),
        RUNS,
      ),
  });
}

Deno.test({
  name: "gradients of resizing agree with the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      // One sample: on tfjs 4.22's cpu device the gradient of the nearest neighbour is wrong for the second,
      // because its offset in dy is computed from the image's size. Square images: the bilinear gradient
      // swaps rows and columns in the result's shape.
      fc.asyncProperty(imageShapes, seeds, async ([, size, , channels], seed) => {
        const images = drawn(seed, [1, size, size, channels]);
        const sizes = sizesFor(size, size);
        const gradients = Object.fromEntries(
          sizes.map((to, i) => [`dy${i}`, drawn(seed + i, [1, ...to, channels])]),
        );
        await assertSameAsCpu("blocked", ({ images, ...given }) => {
          const results: Record<string, tf.Tensor> = {};
          for (const name of GRADIENTS) {
            for (const alignCorners of [false, true]) {
              for (const [key, dy] of Object.entries(given)) {
                // With aligned corners and one pixel the ratio is NaN on the cpu device.
                if (alignCorners && (size === 1 || dy.shape.includes(1))) continue;
                results[`${name} ${key} ${alignCorners}`] = runKernel(
                  name,
                  { images: images!, dy },
                  { alignCorners },
                );
              }
            }
          }
          return results;
        }, { images, ...gradients });
      }),
      RUNS,
    ),
});
