/** Unusual inputs of compiled functions: too large, empty, or with shapes that do not fit. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type DeviceName, openDevice } from "../device.ts";
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../tf.ts";
import { float32, type HostArray } from "../tree.ts";
import { deviceWorks } from "../../tests/devices.ts";
import { runSnippet, snippetsWork } from "../../tests/run_snippet.ts";

type Named = Record<string, HostArray>;

for (const name of ["cpu", "wasm", "onnx"] as const satisfies DeviceName[]) {
  const ignore = !deviceWorks(name);

  Deno.test({
    name:
      `compile() throws when a model needs more memory than ${name} has, and the device still works`,
    ignore,
    fn: async () => {
      const { compile } = await openDevice(name, { threads: 1 });
      const n = 1_500_000; // n * n numbers are nine terabytes
      function attention(x: tf.Tensor): tf.Tensor {
        // On wasm the product would try to allocate memory for a minute.
        if (name === "wasm") return tf.sum(tf.add(tf.zeros([n, n]), x));
        return tf.sum(tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D, true, false));
      }
      const run = compile<HostArray, HostArray>(attention);
      const error = await assertRejects(() => run(float32(new Float32Array(n), [1, n])), UserError);
      assertMatch(
        error.message,
        new RegExp(`^The ${name} device ran out of memory.*: use a smaller batch or model [(]`),
      );
      if (name === "onnx") {
        assertMatch(error.message, /in BatchMatMul \(tf\.matMul\), called by attention \(/);
      }
      await run.dispose();
      const after = (await openDevice(name, { threads: 1 })).compile<HostArray, HostArray>(tf.sum);
      assertEquals((await after(float32([1, 2, 3]))).data[0], 6);
      await after.dispose();
    },
  });

  Deno.test({
    name: `compile() accepts an empty batch on ${name}`,
    ignore,
    fn: async () => {
      const { compile } = await openDevice(name, { threads: 1 });
      const run = compile<Named, Named>(({ x, weight }) => {
        const product = tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D);
        return { product, activated: tf.relu(tf.add(product, 1)), sum: tf.sum(product) };
      });
      const inputs = { x: float32([], [0, 2]), weight: float32([1, 2, 3, 4, 5, 6], [2, 3]) };
      const { product, activated, sum } = await run(inputs);
      await run.dispose();
      assertEquals([product!.shape, activated!.shape], [[0, 3], [0, 3]]);
      assertEquals([...sum!.data], [0]);
    },
  });

  Deno.test({
    name: `compile() throws tfjs's error when shapes do not fit on ${name}`,
    ignore,
    fn: async () => {
      const { compile } = await openDevice(name, { threads: 1 });
      const { numTensors } = tf.memory();
      const inputs = { x: float32([1, 2, 3, 4, 5, 6], [2, 3]), y: float32([1, 2, 3, 4], [2, 2]) };
      const refused = async (
        fn: (inputs: Record<string, tf.Tensor>) => tf.Tensor,
        message: string,
      ) => {
        const run = compile<Named, HostArray>(fn);
        await assertRejects(() => run(inputs), Error, message);
        await run.dispose();
      };
      await refused(({ x, y }) => tf.add(x!, y!), "Operands could not be broadcast together");
      await refused(({ x, y }) => tf.matMul(x!, y!), "inner shapes (3) and (2)");
      await refused(({ x, y }) => tf.concat([x!, y!], 0), "does not match the shape of the rest");
      await refused(({ x }) => tf.reshape(x!, [4]), "Size(6) must match the product of shape 4");
      assertEquals(tf.memory().numTensors, numTensors);
    },
  });

  Deno.test({
    name: `compile() leaks no memory and no tensors in 200 calls on ${name}`,
    ignore: ignore || name === "cpu" || !snippetsWork,
    fn: async () => {
      const megabytes = name === "wasm" ? 1 : 4;
      // In a process of its own: tests that run at the same time share the memory of this one.
      const { code, stdout, stderr } = await runSnippet(LEAK_IMPORTS, leakSnippet(name, megabytes));
      assertEquals(code, 0, stderr);
      const { grown, tensors } = JSON.parse(stdout);
      assertEquals(tensors, 0);
      // A leak of one of the two results would be 200 times its size.
      // On wasm the amount of garbage varies by that much.
      if (name === "onnx") assert(grown < 100 * megabytes, `${grown} MB more`);
    },
  });
}

const LEAK_IMPORTS = { "openDevice": "engine/device.ts", "add, memory, neg": "engine/tf.ts" };

/** Code that calls a compiled function, and prints how much memory and how many tensors it kept. */
function leakSnippet(device: DeviceName, megabytes: number): string {
  return `
    const { compile } = await openDevice("${device}", { threads: 1 });
    const data = new Float32Array(${megabytes * 2 ** 18});
    const x = { dtype: "float32", shape: [data.length], data };
    const run = compile((x) => ({ y: add(x, 1), z: neg(x) }));
    // The minimum of the resident memory, since the amount of garbage varies.
    const least = async (times) => {
      let resident = Infinity;
      for (let i = 0; i < times; i++) {
        await run(x);
        resident = Math.min(resident, Deno.memoryUsage().rss / 2 ** 20);
      }
      return resident;
    };
    await least(100); // until the amount of garbage has reached its maximum
    const { numTensors } = memory();
    const before = await least(50);
    await least(150);
    const grown = await least(50) - before;
    await run.dispose();
    console.log(JSON.stringify({ grown, tensors: memory().numTensors - numTensors }));`;
}
