import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { openDevice } from "../../../../device.ts";
import { UserError } from "@nanodiffusion/base/errors";
import { convolutions } from "../../../../onnx/kernels/conv/convolution.ts";
import { filterGradients } from "../../../../onnx/kernels/conv/filter_gradient.ts";
import { inputGradients } from "../../../../onnx/kernels/conv/input_gradient.ts";
import * as tf from "../../../../tf.ts";
import type { HostArray } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawn, LAYOUTS, RUNS } from "../../against_cpu.ts";
import { describe, geometries, type Geometry, outputSize } from "../../geometries.ts";
import { runKernel, throughConvolution } from "../../run_kernel.ts";

/** The attributes of all kernels of a convolution. */
const attributesOf = ({ strides, pad }: Geometry) => ({
  strides,
  pad,
  dilations: 1,
  dataFormat: "NHWC",
  dimRoundingMode: "floor",
});

const drawGeometries = fc.array(geometries, { minLength: 6, maxLength: 6 });

/** Image, filter, bias and output gradient of each geometry. The names end in the geometry's index. */
function inputsOf(cases: readonly Geometry[]): Record<string, HostArray> {
  return Object.fromEntries(cases.flatMap((geometry, i) => {
    const { samples, size, inChannels, outChannels, filter } = geometry;
    return [
      [`x${i}`, drawn(i, [samples, ...size, inChannels])],
      [`filter${i}`, drawn(i + 100, [...filter, inChannels, outChannels])],
      [`bias${i}`, drawn(i + 200, [outChannels])],
      [`dy${i}`, drawn(i + 300, [samples, ...outputSize(geometry), outChannels])],
    ];
  }));
}

const ACTIVATIONS = ["linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu", "prelu"];

/** Runs all kernels of one convolution, on tensors in either layout. */
function allPasses(
  geometry: Geometry,
  [x, filter, bias, dy]: readonly [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor],
): Record<string, tf.Tensor> {
  const attributes = attributesOf(geometry);
  const [blockedX, blockedDy] = [throughConvolution(x), throughConvolution(dy)];
  const inputAttributes = { ...attributes, inputShape: x.shape };
  const filterAttributes = { ...attributes, filterShape: filter.shape };
  return {
    forward: runKernel("Conv2D", { x, filter }, attributes),
    "forward again": runKernel("Conv2D", {
      x: blockedX,
      filter: runKernel("Neg", { x: filter }), // computed in the graph
    }, attributes),
    dilated: runKernel("Conv2D", { x: blockedX, filter }, {
      ...attributes,
      strides: 1,
      pad: "same",
      dilations: 2,
    }),
    ...Object.fromEntries(ACTIVATIONS.map((activation) => [
      `with bias, ${activation}`,
      runKernel("FusedConv2D", {
        x: blockedX,
        filter,
        bias,
        ...(activation === "prelu" ? { preluActivationWeights: bias } : {}),
      }, { ...attributes, activation, leakyreluAlpha: 0.3 }),
    ])),
    "input's gradient": runKernel("Conv2DBackpropInput", { dy, filter }, inputAttributes),
    "input's gradient again": runKernel(
      "Conv2DBackpropInput",
      { dy: blockedDy, filter },
      inputAttributes,
    ),
    "filter's gradient": runKernel("Conv2DBackpropFilter", { x, dy }, filterAttributes),
    "filter's gradient again": runKernel(
      "Conv2DBackpropFilter",
      { x: blockedX, dy: blockedDy },
      filterAttributes,
    ),
    "filter's gradient, one blocked": runKernel(
      "Conv2DBackpropFilter",
      { x, dy: blockedDy },
      filterAttributes,
    ),
  };
}

Deno.test("the tests below cover every kernel of a convolution", () => {
  assertEquals(
    [convolutions, filterGradients, inputGradients].flatMap(Object.keys).toSorted(),
    ["Conv2D", "Conv2DBackpropFilter", "Conv2DBackpropInput", "FusedConv2D"],
  );
});

for (const layout of LAYOUTS) {
  const ignore = !deviceWorks("onnx");

  Deno.test({
    name: `convolutions and their gradients agree with the cpu device for ${layout} tensors`,
    ignore,
    fn: () =>
      fc.assert(
        fc.asyncProperty(drawGeometries, async (cases) => {
          await assertSameAsCpu(
            layout,
            (given) =>
              Object.fromEntries(cases.flatMap((geometry, i) => {
                const names = [`x${i}`, `filter${i}`, `bias${i}`, `dy${i}`];
                const [x, filter, bias, dy] = names.map((name) => given[name]!);
                const results = allPasses(geometry, [x!, filter!, bias!, dy!]);
                return Object.entries(results).map(([pass, result]) =>
                  [`${i}, ${pass}, ${describe(geometry)}`, result] as const
                );
              })),
            inputsOf(cases),
            { atol: 1e-3, rtol: 1e-4 },
          );
        }),
        RUNS,
      ),
  });
}

Deno.test({
  name:
    "FusedConv2D with a scalar bias, and a cropped transposed convolution, agree with the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    assertSameAsCpu("blocked", ({ x, filter, one }) => {
      const attributes = { strides: 1, pad: "same", dilations: 1, dataFormat: "NHWC" };
      return {
        sum: runKernel("FusedConv2D", { x: x!, filter: filter!, bias: one! }, {
          ...attributes,
          activation: "relu",
        }),
        part: tf.conv2dTranspose(x as tf.Tensor4D, filter as tf.Tensor4D, [2, 4, 3, 4], 1, "same"),
      };
    }, { x: drawn(1, [2, 6, 6, 4]), filter: drawn(2, [3, 3, 4, 4]), one: drawn(3, []) }),
});

Deno.test({
  name: "FusedConv2D throws an error with the activation's name when it is not supported",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const { compile } = await openDevice("onnx", { threads: 1 });
    const run = compile<Record<string, HostArray>, HostArray>(({ x, filter }) =>
      runKernel("FusedConv2D", { x: x!, filter: filter! }, {
        strides: 1,
        pad: 0,
        dilations: 1,
        dataFormat: "NHWC",
        activation: "swish",
      })
    );
    const inputs = { x: drawn(1, [1, 2, 2, 3]), filter: drawn(2, [1, 1, 3, 4]) };
    await assertRejects(() => run(inputs), UserError, 'activation "swish"');
  },
});
