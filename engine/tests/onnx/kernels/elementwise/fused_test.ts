import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  channelAffine,
  channelDot,
  channelSum,
  siluBackward,
  siluForward,
} from "../../../../fused.ts";
import { fused } from "../../../../onnx/kernels/elementwise/fused.ts";
import type * as tf from "../../../../tf.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawn, imageShapes, LAYOUTS, RUNS, seeds } from "../../against_cpu.ts";
import { throughConvolution } from "../../run_kernel.ts";

Deno.test("the tests below cover every kernel of fused.ts", () => {
  const named = ["ChannelAffine", "ChannelDot", "Silu", "SiluGrad"];
  assertEquals(Object.keys(fused).toSorted(), named);
});

for (const layout of LAYOUTS) {
  Deno.test({
    name: `fused kernels agree with the cpu device's compositions for ${layout} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const [n, , , c] = shape;
          const inputs = {
            x: drawn(seed, shape),
            y: drawn(seed + 1, shape),
            scale: drawn(seed + 2, [n, c]),
            shift: drawn(seed + 3, [n, c]),
          };
          await assertSameAsCpu(layout, (given) => {
            const [x, y] = [given["x"], given["y"]] as [tf.Tensor4D, tf.Tensor4D];
            const [scale, shift] = [given["scale"], given["shift"]] as [tf.Tensor2D, tf.Tensor2D];
            const [blockedX, blockedY] = [throughConvolution(x), throughConvolution(y)];
            return {
              silu: siluForward(x),
              "silu, blocked": siluForward(blockedX),
              "silu of a matrix": siluForward(scale),
              "silu's gradient": siluBackward(x, y),
              "silu's gradient, blocked": siluBackward(blockedX, blockedY),
              "silu's gradient, one blocked": siluBackward(blockedX, y),
              affine: channelAffine(x, scale, shift),
              "affine, blocked": channelAffine(blockedX, scale, shift),
              sum: channelSum(x),
              "sum, blocked": channelSum(blockedX),
              dot: channelDot(x, y),
              "dot, blocked": channelDot(blockedX, blockedY),
              "dot, one blocked": channelDot(x, blockedY),
              square: channelDot(blockedX, blockedX),
            };
          }, inputs);
        }),
        RUNS,
      ),
  });
}

Deno.test({
  name: "Silu and SiluGrad agree with the cpu device for large numbers",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const x = drawn(3, [64]);
    const inputs = { x: { ...x, data: x.data.map((v) => v * 30) }, dy: drawn(4, [64]) };
    await assertSameAsCpu(
      "blocked",
      ({ x, dy }) => ({ silu: siluForward(x!), gradient: siluBackward(x!, dy!) }),
      inputs,
    );
  },
});
