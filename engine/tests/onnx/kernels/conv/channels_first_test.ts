import fc from "fast-check";
import type * as tf from "../../../../tf.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawn, LAYOUTS, RUNS } from "../../against_cpu.ts";
import { geometries, outputSize } from "../../geometries.ts";
import { runKernel } from "../../run_kernel.ts";

for (const layout of LAYOUTS) {
  Deno.test({
    name: `convolutions of images [N, C, H, W] agree with the cpu device for ${layout} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(geometries, async (geometry) => {
          const { samples, size, inChannels, outChannels, filter, strides, pad } = geometry;
          const xShape = [samples, inChannels, ...size];
          const filterShape = [...filter, inChannels, outChannels];
          const common = { strides, dilations: 1, dataFormat: "NCHW", dimRoundingMode: "floor" };
          // The padding of an axis has the axis's position.
          const padFirst = Array.isArray(pad) ? [pad[0], pad[3], pad[1], pad[2]] : pad;
          const attributes = { ...common, pad: padFirst };
          const fused = (x: tf.Tensor, filter: tf.Tensor, bias: tf.Tensor, alpha?: tf.Tensor) =>
            runKernel("FusedConv2D", {
              x,
              filter,
              bias,
              ...(alpha === undefined ? {} : { preluActivationWeights: alpha }),
            }, { ...attributes, activation: alpha === undefined ? "relu" : "prelu" });
          await assertSameAsCpu(layout, ({ x, filter, bias, one, dy }) => ({
            forward: runKernel("Conv2D", { x: x!, filter: filter! }, attributes),
            "with a bias": fused(x!, filter!, bias!),
            "with one number as bias": fused(x!, filter!, one!),
            "with slopes": fused(x!, filter!, bias!, bias!),
            "input's gradient": runKernel("Conv2DBackpropInput", { dy: dy!, filter: filter! }, {
              ...attributes,
              inputShape: xShape,
            }),
            "filter's gradient": runKernel("Conv2DBackpropFilter", { x: x!, dy: dy! }, {
              ...attributes,
              filterShape,
            }),
          }), {
            x: drawn(1, xShape),
            filter: drawn(2, filterShape),
            bias: drawn(3, [outChannels]),
            one: drawn(4, []),
            dy: drawn(5, [samples, outChannels, ...outputSize(geometry)]),
          }, { atol: 1e-3, rtol: 1e-4 });
        }),
        { ...RUNS, numRuns: 12 },
      ),
  });
}
