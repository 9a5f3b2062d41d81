import { assert, assertEquals, assertRejects } from "@std/assert";
import { openDevice } from "../../../device.ts";
import { UserError } from "@nanodiffusion/base/errors";
import { kernels, missing } from "../../../onnx/kernels/mod.ts";
import * as tf from "../../../tf.ts";
import type { HostArray } from "../../../tree.ts";
import { deviceWorks } from "../../../../tests/devices.ts";
import { drawn } from "../against_cpu.ts";

Deno.test("kernels and missing together contain every kernel of the cpu device once", () => {
  const named = tf.getKernelsForBackend("cpu").map(({ kernelName }) => kernelName);
  for (const name of named) {
    assert(Object.hasOwn(kernels, name) !== Object.hasOwn(missing, name), name);
  }
  assertEquals(Object.keys(missing).filter((name) => !named.includes(name)), []);
});

Deno.test({
  name: "compile() throws an error with the kernel's name when it is missing",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const { compile } = await openDevice("onnx", { threads: 1 });
    const run = compile<HostArray, HostArray>((x) =>
      tf.dilation2d(x as tf.Tensor4D, tf.ones([2, 2, 3]), 1, "same")
    );
    await assertRejects(
      () => run(drawn(1, [1, 4, 4, 3])),
      UserError,
      'no kernel "Dilation2D", which tf.dilation2d() calls: ONNX has no operator for it',
    );
    await run.dispose();
  },
});
