import { assertEquals } from "@std/assert";
import { constants } from "../../../../onnx/kernels/shape/constant.ts";
import type * as tf from "../../../../tf.ts";
import type { DType } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawnAs } from "../../against_cpu.ts";
import { runKernel } from "../../run_kernel.ts";

const KERNELS = ["Diag", "Fill", "LinSpace", "OnesLike", "Range", "ZerosLike"];

/** Start, stop, step and element type. */
const RANGES = [
  [0, 5, 1, "int32"],
  [5, 0, 1, "int32"],
  [5, 0, -2, "int32"],
  [0, 1, 0.1, "float32"],
  [3, 3, 1, "float32"],
  [0, 5, -1, "float32"],
] as const;

Deno.test("the tests below cover every kernel that makes constants", () => {
  assertEquals(KERNELS, Object.keys(constants).toSorted());
});

for (const dtype of ["float32", "int32", "bool"] satisfies DType[]) {
  Deno.test({
    name: `constants of ${dtype} agree with the cpu device`,
    ignore: !deviceWorks("onnx"),
    fn: async () => {
      await assertSameAsCpu(
        "blocked",
        ({ x, scalar }) => ({
          zeros: runKernel("ZerosLike", { x: x! }),
          ones: runKernel("OnesLike", { x: x! }),
          one: runKernel("OnesLike", { x: scalar! }),
          diagonal: runKernel("Diag", { x: x! }),
          filled: runKernel("Fill", {}, { shape: [2, 3], value: 1, dtype }),
          scalar: runKernel("Fill", {}, { shape: [], value: 1, dtype }),
          nothing: runKernel("Fill", {}, { shape: [2, 0], value: 1, dtype }),
        }),
        { x: drawnAs(dtype, 1, [2, 3]), scalar: drawnAs(dtype, 2, []) },
        { atol: 0, rtol: 0 },
      );
    },
  });
}

Deno.test({
  name: "Range and LinSpace agree with the cpu device when ascending and descending",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    await assertSameAsCpu(
      "blocked",
      () => {
        const results: Record<string, tf.Tensor> = {
          even: runKernel("LinSpace", {}, { start: 0, stop: 1, num: 7 }),
          one: runKernel("LinSpace", {}, { start: 2, stop: 5, num: 1 }),
        };
        for (const [start, stop, step, dtype] of RANGES) {
          results[`${start} to ${stop} by ${step}`] = runKernel("Range", {}, {
            start,
            stop,
            step,
            dtype,
          });
        }
        return results;
      },
      {},
      { atol: 0, rtol: 0 },
    );
  },
});
