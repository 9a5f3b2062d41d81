import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { depthwiseConvolutions } from "../../../../onnx/kernels/conv/depthwise.ts";
import * as tf from "../../../../tf.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawn, LAYOUTS, RUNS } from "../../against_cpu.ts";
import { describe, geometries } from "../../geometries.ts";
import { runKernel, throughConvolution } from "../../run_kernel.ts";

/** The geometry, the filters for each channel, and the dilation. */
const cases = fc.array(
  fc.tuple(geometries, fc.constantFrom(1, 2), fc.constantFrom(1, 2)),
  { minLength: 5, maxLength: 5 },
);

const ACTIVATIONS = ["linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu", "prelu"];

Deno.test("the tests below cover every kernel of depthwise convolutions", () => {
  assertEquals(Object.keys(depthwiseConvolutions).toSorted(), [
    "DepthwiseConv2dNative",
    "DepthwiseConv2dNativeBackpropFilter",
    "DepthwiseConv2dNativeBackpropInput",
    "FusedDepthwiseConv2D",
  ]);
});

for (const layout of LAYOUTS) {
  Deno.test({
    name: `depthwise convolutions agree with the cpu device for ${layout} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(cases, async (cases) => {
          const name = (i: number) => `${i}: ${describe(cases[i]![0])}, ${cases[i]!.slice(1)}`;
          const attributesOf = (i: number) => {
            const { strides, pad } = cases[i]![0];
            return { strides, pad, dilations: [1, 1], dimRoundingMode: "floor" };
          };
          const inputs = Object.fromEntries(cases.flatMap(([geometry, multiplier], i) => {
            const { samples, size, inChannels, filter, strides, pad } = geometry;
            const image: [number, number, number, number] = [samples, ...size, inChannels];
            const { outShape } = tf.backend_util.computeConv2DInfo(
              image,
              [...filter, inChannels, multiplier],
              strides,
              1,
              pad,
              "floor",
              true,
            );
            return [
              [`x${i}`, drawn(i, image)],
              [`filter${i}`, drawn(i + 100, [...filter, inChannels, multiplier])],
              [`bias${i}`, drawn(i + 200, [inChannels * multiplier])],
              [`dy${i}`, drawn(i + 300, outShape)],
            ];
          }));
          await assertSameAsCpu(
            layout,
            (given) => {
              const results: Record<string, tf.Tensor> = {};
              cases.forEach(([, , dilation], i) => {
                const [x, filter, bias, dy] = ["x", "filter", "bias", "dy"].map((key) =>
                  given[`${key}${i}`]!
                ) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
                const attributes = attributesOf(i);
                const run = (kernel: string, tensors: Record<string, tf.Tensor>, more = {}) =>
                  runKernel(kernel, tensors, { ...attributes, ...more });
                results[`${name(i)}, forward`] = run("DepthwiseConv2dNative", {
                  x: throughConvolution(x),
                  filter,
                });
                results[`${name(i)}, dilated`] = run("DepthwiseConv2dNative", { x, filter }, {
                  strides: [1, 1],
                  pad: "same",
                  dilations: [dilation, dilation],
                });
                // No gradients of dilated ones: tfjs has none.
                results[`${name(i)}, input`] = run("DepthwiseConv2dNativeBackpropInput", {
                  dy,
                  filter,
                }, { inputShape: x.shape });
                results[`${name(i)}, filter`] = run("DepthwiseConv2dNativeBackpropFilter", {
                  x,
                  dy,
                }, { filterShape: filter.shape });
                for (const activation of ACTIVATIONS) {
                  results[`${name(i)}, ${activation}`] = run("FusedDepthwiseConv2D", {
                    x: throughConvolution(x),
                    filter,
                    bias,
                    ...(activation === "prelu" ? { preluActivationWeights: bias } : {}),
                  }, { activation, leakyreluAlpha: 0.3 });
                }
              });
              return results;
            },
            inputs,
            { atol: 1e-3 },
          );
        }),
        RUNS,
      ),
  });
}
