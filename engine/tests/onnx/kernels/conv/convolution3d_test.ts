import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { convolutions3d } from "../../../../onnx/kernels/conv/convolution3d.ts";
import * as tf from "../../../../tf.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawn, RUNS } from "../../against_cpu.ts";
import { runKernel } from "../../run_kernel.ts";

type Triple = [number, number, number];

const triples = (max: number) =>
  fc.tuple(...Array(3).fill(fc.integer({ min: 1, max }))) as fc.Arbitrary<Triple>;

Deno.test("the test below covers every kernel of convolutions over three dimensions", () => {
  assertEquals(Object.keys(convolutions3d).toSorted(), [
    "Conv3D",
    "Conv3DBackpropFilterV2",
    "Conv3DBackpropInputV2",
  ]);
});

Deno.test({
  name: "convolutions over three dimensions agree with the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(triples(5), triples(3), triples(2), async (size, kernel, strides) => {
        const shape: [number, number, number, number, number] = [2, ...size, 3];
        const filterShape: [number, number, number, number, number] = [...kernel, 3, 4];
        const pad = "same";
        const { outShape } = tf.backend_util.computeConv3DInfo(shape, filterShape, strides, 1, pad);
        const inputs = {
          x: drawn(1, shape),
          filter: drawn(2, filterShape),
          dy: drawn(3, outShape),
        };
        const attributes = { strides, pad };
        await assertSameAsCpu(
          "blocked",
          ({ x, filter, dy }) => ({
            forward: runKernel("Conv3D", { x: x!, filter: filter! }, {
              ...attributes,
              dataFormat: "NDHWC",
              dilations: [1, 1, 1],
            }),
            "input's gradient": runKernel("Conv3DBackpropInputV2", { dy: dy!, filter: filter! }, {
              ...attributes,
              inputShape: shape,
            }),
            "filter's gradient": runKernel("Conv3DBackpropFilterV2", { x: x!, dy: dy! }, {
              ...attributes,
              filterShape,
            }),
          }),
          inputs,
          { atol: 1e-4 },
        );
      }),
      RUNS,
    ),
});
