import { assertEquals, assertRejects } from "@std/assert";
import { openDevice } from "../../device.ts";
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../../tf.ts";
import { float32, type HostArray } from "../../tree.ts";
import { deviceWorks } from "../../../tests/devices.ts";

const DRAWS: Record<string, (x: tf.Tensor) => tf.Tensor> = {
  randomNormal: (x) => tf.randomNormal(x.shape),
  randomUniform: (x) => tf.randomUniform(x.shape),
  randomUniformInt: (x) => tf.randomUniformInt(x.shape, 0, 9),
  randomGamma: (x) => tf.randomGamma(x.shape, 1),
  truncatedNormal: (x) => tf.truncatedNormal(x.shape),
  dropout: (x) => tf.dropout(x, 0.5),
};

for (const [name, draw] of Object.entries(DRAWS)) {
  Deno.test({
    name: `${name}() throws in traced code, because its numbers would be constants`,
    ignore: !deviceWorks("onnx"),
    fn: async () => {
      const { compile } = await openDevice("onnx", { threads: 1 });
      const run = compile<HostArray, HostArray>(draw);
      await assertRejects(() => run(float32([1, 2])), UserError, "same numbers in every call");
      await run.dispose();
    },
  });
}

Deno.test({
  name: "tf.tensor() makes a constant in traced code",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const { compile } = await openDevice("onnx", { threads: 1 });
    const run = compile<HostArray, HostArray>((x) => tf.add(x, tf.tensor1d([1, 2])));
    const { data } = await run(float32([1, 2]));
    await run.dispose();
    assertEquals([...data], [2, 4]);
  },
});
