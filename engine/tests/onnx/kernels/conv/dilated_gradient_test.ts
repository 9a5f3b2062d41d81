import fc from "fast-check";
import { openDevice } from "../../../../device.ts";
import * as tf from "../../../../tf.ts";
import type { HostArray } from "../../../../tree.ts";
import { assertAllClose } from "../../../../../tests/assert_close.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { drawn, inLayout, LAYOUTS, RUNS } from "../../against_cpu.ts";
import { runKernel, throughConvolution } from "../../run_kernel.ts";

/** A filter with zeros between its elements, which without dilation equals the dilated filter. */
function spread(filter: tf.Tensor, [down, across]: readonly [number, number]): tf.Tensor {
  const [h, w, c, m] = filter.shape as [number, number, number, number];
  const apart = tf.pad(tf.reshape(filter, [h, 1, w, 1, c * m]), [
    [0, 0],
    [0, down - 1],
    [0, 0],
    [0, across - 1],
    [0, 0],
  ]);
  return tf.slice(
    tf.reshape(apart, [h * down, w * across, c, m]),
    [0, 0, 0, 0],
    [(h - 1) * down + 1, (w - 1) * across + 1, c, m],
  );
}

/** The names of the kernels of the gradients with respect to the input and the filter. */
const KERNELS = [
  ["Conv2DBackpropInput", "Conv2DBackpropFilter"],
  ["DepthwiseConv2dNativeBackpropInput", "DepthwiseConv2dNativeBackpropFilter"],
] as const;

const step = fc.integer({ min: 1, max: 3 });

for (const layout of LAYOUTS) {
  Deno.test({
    // Not compared with the cpu device, which ignores dilations here.
    name:
      `gradients of dilated convolutions equal those of filters with zeros for ${layout} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(
          fc.tuple(step, step),
          fc.constantFrom("same", "valid"),
          fc.constantFrom(3, 16),
          async (dilations, pad, channels) => {
            const size: [number, number, number, number] = [16, 8, 9, channels];
            const filterShape: [number, number, number, number] = [3, 2, channels, channels];
            const { outShape } = tf.backend_util.computeConv2DInfo(
              size,
              filterShape,
              1,
              dilations,
              pad as "same",
            );
            const inputs = {
              x: drawn(1, size),
              dy: drawn(2, outShape),
              dense: drawn(3, filterShape),
              depthwise: drawn(4, [3, 2, channels, 1]),
            };
            const common = { strides: [1, 1], pad, dataFormat: "NHWC", dimRoundingMode: "floor" };
            const results = await inLayout(layout, async () => {
              const { compile } = await openDevice("onnx", { threads: 1 });
              const run = compile<typeof inputs, Record<string, HostArray>>((given) => {
                const [x, dy] = [given.x, given.dy].map(throughConvolution) as [
                  tf.Tensor,
                  tf.Tensor,
                ];
                const gradients: Record<string, tf.Tensor> = {};
                KERNELS.forEach(([byInput, byFilter], i) => {
                  const filter = i === 0 ? given.dense : given.depthwise;
                  const spreadFilter = spread(filter, dilations);
                  const dilated = { ...common, dilations };
                  const plain = { ...common, dilations: [1, 1] };
                  const inputShape = x.shape;
                  gradients[byInput] = runKernel(byInput, { dy, filter }, {
                    ...dilated,
                    inputShape,
                  });
                  gradients[`${byInput} expected`] = runKernel(
                    byInput,
                    { dy, filter: spreadFilter },
                    { ...plain, inputShape },
                  );
                  gradients[byFilter] = runKernel(byFilter, { x, dy }, {
                    ...dilated,
                    filterShape: filter.shape,
                  });
                  const whole = runKernel(byFilter, { x, dy }, {
                    ...plain,
                    filterShape: spreadFilter.shape,
                  });
                  gradients[`${byFilter} expected`] = tf.stridedSlice(
                    whole,
                    [0, 0, 0, 0],
                    whole.shape,
                    [...dilations, 1, 1],
                  );
                });
                return gradients;
              });
              const results = await run(inputs);
              await run.dispose();
              return results;
            });
            for (const name of KERNELS.flat()) {
              assertAllClose(results[name]!.data, results[`${name} expected`]!.data, {
                atol: 1e-3,
                rtol: 1e-4,
                message: `${name}, dilations ${dilations}, ${pad}, ${channels} channels`,
              });
            }
          },
        ),
        RUNS,
      ),
  });
}
