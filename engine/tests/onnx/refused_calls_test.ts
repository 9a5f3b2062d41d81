/** Invalid calls throw at once, as on tfjs's cpu backend. */
import { assertEquals, assertThrows } from "@std/assert";
import * as tf from "../../tf.ts";
import { deviceWorks } from "../../../tests/devices.ts";
import { on } from "./on_backend.ts";
import { runKernel } from "./run_kernel.ts";

const rows = (...shape: number[]) => tf.zeros(shape as [number, number]);

const CALLS: Readonly<Record<string, () => unknown>> = {
  "matMul() of inner sizes that differ": () => tf.matMul(rows(2, 3), rows(2, 3)),
  "matMul() of inner sizes that differ, transposed": () =>
    tf.matMul(rows(2, 3), rows(2, 3), true, true),
  "matMul() of batches that do not broadcast": () => tf.matMul(rows(2, 3, 3), rows(4, 3, 3)),
  "concat() of shapes that differ": () => tf.concat([rows(1, 2), rows(2, 3)], 0),
  "concat() of ranks that differ": () => tf.concat([rows(1, 2), rows(2)], 0),
  "stack() of shapes that differ": () => tf.stack([rows(1, 2), rows(2, 2)]),
  "stack() of types that differ": () => tf.stack([rows(2), tf.tensor1d([1, 2], "int32")]),
  "slice() beyond the end": () => tf.slice(rows(2, 3), [1, 0], [2, 3]),
  "expandDims() of an axis that is not there": () => tf.expandDims(rows(2), 3),
  "gather() of an index that is not there": () =>
    tf.gather(rows(2, 3), tf.tensor1d([0, 2], "int32")),
  "gather() of a negative index": () => tf.gather(rows(2, 3), tf.tensor1d([-1], "int32")),
  "gatherND() of places deeper than the tensor": () =>
    tf.gatherND(rows(2), tf.tensor2d([[0, 0]], [1, 2], "int32")),
  "add() of shapes that do not broadcast": () => tf.add(rows(2, 3), rows(3, 2)),
  "reshape() to another size": () => tf.reshape(rows(2, 3), [4]),
  "conv2d() of channels that differ": () =>
    tf.conv2d(tf.zeros([1, 4, 4, 3]) as tf.Tensor4D, tf.zeros([3, 3, 2, 1]) as tf.Tensor4D, 1, 0),
  "transpose() of axes that are not there": () => tf.transpose(rows(2, 3), [0, 2]),
  "broadcastArgs() of shapes that do not broadcast": () =>
    tf.broadcastArgs(tf.tensor1d([1, 2], "int32"), tf.tensor1d([1, 3], "int32")),
};

/** The error that a call throws, or undefined. */
function errorOf(call: () => unknown): string | undefined {
  try {
    tf.tidy(() => {
      call();
    });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test({
    name: `${name} throws the same error on the onnx backend as on cpu`,
    ignore: !deviceWorks("onnx"),
    fn: async () => {
      const expected = await on("cpu", () => Promise.resolve(errorOf(call)));
      const actual = await on("onnx", () => Promise.resolve(errorOf(call)));
      assertEquals(typeof expected, "string");
      assertEquals(actual, expected);
    },
  });
}

Deno.test({
  name: "kernels throw for a product of vectors and for a gradient of another size",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    on("onnx", () => {
      const attributes = { transposeA: false, transposeB: false };
      tf.tidy(() => {
        assertThrows(
          () => runKernel("BatchMatMul", { a: tf.zeros([3]), b: tf.zeros([3]) }, attributes),
          Error,
          "matMul needs tensors of rank 2 or more, but has [3] and [3].",
        );
        assertThrows(
          () =>
            runKernel("Conv2DBackpropInput", {
              dy: tf.zeros([1, 2, 2, 4]),
              filter: tf.zeros([3, 3, 2, 4]),
            }, { strides: 1, pad: "same", dataFormat: "NHWC", inputShape: [1, 4, 4, 2] }),
          Error,
          "The gradient of a convolution's result is [1,2,2,4], but must be [1,4,4,4].",
        );
      });
      return Promise.resolve();
    }),
});
