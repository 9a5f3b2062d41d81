import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { openDevice } from "../../../../device.ts";
import { UserError } from "@nanodiffusion/base/errors";
import { poolings } from "../../../../onnx/kernels/conv/pooling.ts";
import * as tf from "../../../../tf.ts";
import { float32, type HostArray } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import {
  assertSameAsCpu,
  drawn,
  drawnApart,
  drawnIntegers,
  LAYOUTS,
  RUNS,
} from "../../against_cpu.ts";
import { describe, geometries } from "../../geometries.ts";
import { on } from "../../on_backend.ts";
import { runKernel, runKernelForMany, throughConvolution } from "../../run_kernel.ts";

/** Limits the padding to half of the window, as pooling requires. */
const windows = geometries.filter(({ pad }) => typeof pad === "string");

Deno.test("the tests below cover every pooling kernel", () => {
  assertEquals(
    Object.keys(poolings).toSorted(),
    [
      "AvgPool",
      "AvgPool3D",
      "AvgPool3DGrad",
      "AvgPoolGrad",
      "MaxPool",
      "MaxPool3D",
      "MaxPool3DGrad",
      "MaxPoolGrad",
      "MaxPoolWithArgmax",
    ],
  );
});

for (const layout of LAYOUTS) {
  Deno.test({
    name: `pooling agrees with the cpu device for ${layout} tensors`,
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

Deno.test({
  name: "gradients of pooling, and positions of maxima, agree with the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(windows, fc.boolean(), async (geometry, ties) => {
        const { samples, size, inChannels, filter: filterSize, strides, pad } = geometry;
        const shape: [number, number, number, number] = [samples, ...size, inChannels];
        const { outShape } = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad);
        const whole = drawnIntegers(1, shape, 0, 3);
        const inputs = {
          x: ties ? { ...drawn(1, shape), data: Float32Array.from(whole.data) } : drawn(1, shape),
          dy: drawn(2, outShape),
        };
        const attributes = { filterSize, strides, pad, dimRoundingMode: "floor" };
        await assertSameAsCpu("blocked", ({ x, dy }) => {
          const input = throughConvolution(x!);
          const output = runKernel("MaxPool", { x: input }, attributes);
          const places = [true, false].flatMap((includeBatchInIndex) =>
            runKernelForMany("MaxPoolWithArgmax", { x: input }, {
              ...attributes,
              includeBatchInIndex,
            })
          );
          return {
            largest: runKernel("MaxPoolGrad", { dy: dy!, input, output }, attributes),
            average: runKernel("AvgPoolGrad", { dy: dy!, input }, attributes),
            ...Object.fromEntries(places.map((tensor, i) => [`places ${i}`, tensor])),
          };
        }, inputs);
      }),
      { ...RUNS, numRuns: 12 },
    ),
});

Deno.test({
  name: "pooling over three dimensions and its gradients agree with the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(
        windows,
        fc.integer({ min: 1, max: 4 }),
        async (geometry, depth) => {
          const { samples, size, inChannels, filter: [side], strides, pad } = geometry;
          const shape: [number, number, number, number, number] = [
            samples,
            depth,
            ...size,
            inChannels,
          ];
          // Square windows: in others tfjs 4.22's cpu device confuses the row and the column of a position.
          // Distinct numbers: of equal maxima it takes the last one here, and the first one elsewhere.
          const filterSize = [Math.min(2, depth), side, side] as [number, number, number];
          const steps = [1, ...strides] as [number, number, number];
          const { outShape } = tf.backend_util.computePool3DInfo(
            shape,
            filterSize,
            steps,
            1,
            pad as "same" | "valid",
          );
          if (outShape.includes(0) || outShape.some((dimension) => dimension < 0)) return;
          const attributes = { filterSize, strides: steps, pad };
          await assertSameAsCpu("blocked", ({ x, dy }) => {
            const output = runKernel("MaxPool3D", { x: x! }, attributes);
            return {
              maximum: output,
              average: runKernel("AvgPool3D", { x: x! }, attributes),
              "gradient of the largest": runKernel(
                "MaxPool3DGrad",
                { dy: dy!, input: x!, output },
                attributes,
              ),
              "gradient of the average": runKernel(
                "AvgPool3DGrad",
                { dy: dy!, input: x! },
                attributes,
              ),
            };
          }, { x: drawnApart(1, shape), dy: drawn(2, outShape) });
        },
      ),
      RUNS,
    ),
});

Deno.test({
  name: "MaxPoolWithArgmax ignores NaN, as on the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    assertSameAsCpu("blocked", ({ x }) => {
      const attributes = { filterSize: 2, strides: 1, pad: "valid", includeBatchInIndex: false };
      const [largest, places] = runKernelForMany("MaxPoolWithArgmax", { x: x! }, attributes);
      return { largest: largest!, places: places! };
    }, { x: float32([NaN, 2, 3, 4, NaN, 6, 7, 8, NaN], [1, 3, 3, 1]) }),
});

Deno.test({
  name: "pooling with padding as wide as its window runs on the host, and throws in traced code",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const pool = (x: tf.Tensor) => tf.pool(x as tf.Tensor4D, [1, 1], "max", 1, [1, 1], [2, 2]);
    const image = [1, 2, 3, 4, 5, 6];
    const read = () => pool(tf.tensor4d(image, [1, 2, 3, 1])).data();
    assertEquals(await on("onnx", read), await on("cpu", read));
    const { compile } = await openDevice("onnx", { threads: 1 });
    const run = compile<HostArray, HostArray>(pool);
    await assertRejects(
      () => run(float32(image, [1, 2, 3, 1])),
      UserError,
      'cannot run the kernel "MaxPool" of tf.maxPool(): its padding [1,1,0,1] is not smaller than its',
    );
  },
});
