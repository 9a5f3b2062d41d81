import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { openDevice } from "../../device.ts";
import { UserError } from "@nanodiffusion/base/errors";
import { initializeBackend, trace } from "../../onnx/compile.ts";
import * as tf from "../../tf.ts";
import { float32, type HostArray, scalar } from "../../tree.ts";
import { deviceWorks } from "../../../tests/devices.ts";

type Inputs = { x: HostArray };

const ignore = !deviceWorks("onnx");

/** Compiles a function on the onnx device. */
async function compiled(fn: (inputs: { x: tf.Tensor }) => tf.Tensor) {
  const { compile } = await openDevice("onnx", { threads: 1 });
  return compile<Inputs, HostArray>(fn);
}

/** The message of the error of a function of one number. */
async function refusal(fn: (inputs: { x: tf.Tensor }) => tf.Tensor): Promise<string> {
  const run = await compiled(fn);
  return (await assertRejects(() => run({ x: scalar(1) }), UserError)).message;
}

Deno.test({
  name: "compile() traces once for each signature on onnx",
  ignore,
  fn: async () => {
    let traced = 0;
    const run = await compiled(({ x }) => {
      traced++;
      return tf.mul(x, 2);
    });
    for (const length of [1, 2, 1, 2, 2]) {
      const { data } = await run({ x: float32(new Float32Array(length).fill(3)) });
      assertEquals([...data], Array(length).fill(6));
    }
    assertEquals(traced, 2);
    await run.dispose();
    await run({ x: float32([1]) });
    assertEquals(traced, 3);
    await run.dispose();
  },
});

Deno.test({
  name: "compile() drops the least recently used signature when there are many on onnx",
  ignore,
  fn: async () => {
    const traced: number[] = [];
    const run = await compiled(({ x }) => {
      traced.push(x.size);
      return tf.sum(x);
    });
    const sum = async (length: number) => {
      const { data } = await run({ x: float32(new Float32Array(length).fill(1)) });
      assertEquals(data[0], length);
    };
    for (let length = 1; length <= 16; length++) await sum(length);
    await sum(1); // used again, so that 2 is the least recently used
    await sum(17);
    await sum(1);
    assertEquals(traced.length, 17);
    await sum(2);
    assertEquals(traced.at(-1), 2);
    await run.dispose();
  },
});

Deno.test({
  name: "compile() keeps host data as constants of the graph on onnx",
  ignore,
  fn: async () => {
    const table = Float32Array.of(10, 20);
    const run = await compiled(({ x }) => tf.add(x, tf.tensor1d(table)));
    const first = await run({ x: float32([1, 2]) });
    table.fill(0);
    const second = await run({ x: float32([1, 2]) });
    await run.dispose();
    assertEquals([...first.data], [11, 22]);
    assertEquals([...second.data], [11, 22]);
  },
});

Deno.test({
  name: "compile() throws an error with the kernel and the operation when onnx lacks the kernel",
  ignore,
  fn: async () => {
    assertMatch(
      await refusal(({ x }) => tf.unique(tf.reshape(x, [1])).values),
      /^The onnx device has no kernel "Unique", which tf\.unique\(\) calls.* the cpu device\.$/,
    );
    const inside = await refusal(({ x }) =>
      tf.engine().runKernel("Unique", { x }, { axis: 0 }) as tf.Tensor
    );
    assertMatch(inside, /no kernel "Unique", which an operation of tfjs calls/);
  },
});

Deno.test({
  name: "compile() throws when traced code reads a value",
  ignore,
  fn: async () => {
    for (const read of [(x: tf.Tensor) => x.dataSync(), (x: tf.Tensor) => x.arraySync()]) {
      const message = await refusal(({ x }) => {
        read(tf.neg(x));
        return x;
      });
      assertEquals(
        message,
        "Traced code must not read values (dataSync, arraySync): return the tensor from the " +
          "compiled function, and read it outside.",
      );
    }
  },
});

Deno.test({
  name: "compile() throws for tensors of other devices, nested calls and strings",
  ignore,
  fn: async () => {
    await tf.setBackend("cpu");
    const outside = tf.scalar(1);
    assertEquals(
      await refusal(({ x }) => tf.add(x, outside)),
      "A tensor of another device was used in traced code.",
    );
    outside.dispose();
    const inner = await compiled(({ x }) => tf.neg(x));
    let calls: Promise<unknown> | undefined;
    const outer = await compiled(({ x }) => {
      calls = assertRejects(
        () => inner({ x: scalar(1) }),
        UserError,
        "cannot be called in traced code",
      );
      return tf.neg(x);
    });
    assertEquals(await outer({ x: scalar(2) }), scalar(-2));
    await calls;
    await outer.dispose();
    assertEquals(
      await refusal(() => tf.tensor1d(["text"])),
      "The onnx device has no tensors of type string.",
    );
  },
});

Deno.test({
  name: "trace() restores the backend when the function throws, and works again",
  ignore,
  fn: async () => {
    const backend = await initializeBackend();
    await tf.setBackend("cpu");
    const inputs = { x: scalar(1) };
    await assertRejects(
      // deno-lint-ignore require-await
      async () =>
        trace(backend, () => {
          throw new RangeError("no");
        }, inputs),
      RangeError,
    );
    assertEquals(tf.getBackend(), "cpu");
    const { nodes } = trace(backend, (inputs) => tf.neg((inputs as { x: tf.Tensor }).x), inputs);
    assertEquals(nodes, 1);
    assertEquals(tf.getBackend(), "cpu");
  },
});
